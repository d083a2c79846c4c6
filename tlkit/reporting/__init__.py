"""Report page, model card, verdicts and charts. Imports evaluation, models, data and below."""
