"""The pure part: event vocabulary, states, rows, folds, decisions, cost rules. No input, no output, no clock."""
