"""The steps of cutting a video into training clips; `s2vkit.data.cut` is the way in."""
