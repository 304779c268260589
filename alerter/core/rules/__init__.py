"""The kinds of rules, one file each: they turn a history into findings and know nothing of alerts."""
