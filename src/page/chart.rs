//! Charts as inline SVG, each with its numbers in a table beside it. Grammar: accent is the thing asked about, dashed grey the comparison.
