// Exports nothing: msgpackr then uses its own JavaScript decoder.
