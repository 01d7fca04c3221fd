"use strict";
// Sorting of tables by a press on a heading; one clip playing at a time, or one row of them.
for (const table of document.querySelectorAll("table.sorts")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const worth = (row, at) => {
    const said = row.cells[at].textContent.trim();
    return said !== "" && !Number.isNaN(Number(said)) ? Number(said) : said;
  };
  heads.forEach((head, at) => head.querySelector("button")?.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0)
      : typeof a === "number" ? -1 : 1;
    const rows = [...body.rows].sort((a, b) => order(worth(a, at), worth(b, at)));
    body.append(...(up ? rows : rows.reverse()));
  }));
}
const players = [...document.querySelectorAll("video")];
const row = (player) => player.closest(".together");
for (const player of players) {
  player.addEventListener("play", () => {
    for (const other of players) {
      if (other !== player && !(row(player) && row(player) === row(other))) other.pause();
    }
  });
}
for (const press of document.querySelectorAll("button.all")) {
  press.addEventListener("click", () => {
    press.closest(".together").querySelectorAll("video").forEach((player, at) => {
      player.muted = at > 0;
      player.currentTime = 0;
      player.play();
    });
  });
}
