"""Piano from MIDI: RNN, LSTM and LSTM with attention on notes and durations."""
