"""The items of a conversation: their order, their words, their way elsewhere."""
