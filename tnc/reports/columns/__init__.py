"""Report columns: for each day, Parquet files with one row for each click, lander click and conversion.

They hold no personal data and can be thrown away: they are made from the numbered records of the day files,
made again when they are damaged, and removed with the folder of their day. There are three kinds of files, and
each row has every dimension of its click: `clicks`, `landers` (a visitor went on from a lander) and
`conversions` (with the status they have now). Of a day whose clicks were deleted only sums are left (`archive`).
"""
