"""What people read: report page, model card, verdicts, charts. Imports evaluation, models, data and below."""
