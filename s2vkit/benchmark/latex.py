"""A comparison as a LaTeX table."""

from __future__ import annotations

from s2vkit.benchmark.comparison import Comparison
from s2vkit.benchmark.formats import beside, caption, figure_of, headings, legend

_LATEX_ARROWS = {"up": r"$\uparrow$", "down": r"$\downarrow$", "zero": r"$\to 0$", "none": ""}
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "→": r"$\to$",
}


def latex(comparison: Comparison) -> str:
    """Write a table environment for booktabs; every text is escaped."""
    names = [escape(heading) for heading in headings(comparison)]
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(caption(comparison))}. {escape(legend(comparison))}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(names) - 1)}}}",
        r"\toprule",
        rf"{' & '.join(names)} \\",
        r"\midrule",
    ]
    for row in comparison.rows:
        cells = [f"{escape(row.metric)} {_LATEX_ARROWS[row.better]}".strip()]
        for place, cell in enumerate(row.cells):
            value, inside = map(escape, figure_of(cell))
            bold = rf"\textbf{{{value}}}" if place in row.best else value
            cells.append(rf"{bold} {{\footnotesize {inside}}}" if inside else bold)
        lines.append(rf"{' & '.join([*cells, *map(escape, beside(row))])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def escape(text: str) -> str:
    """Write text so that LaTeX sets it as it is."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
