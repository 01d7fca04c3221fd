"""The steps of cutting a video into training clips; `s2vkit.data.preparation.cut` is the way in."""
