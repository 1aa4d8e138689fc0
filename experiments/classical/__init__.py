"""Classical piano: convolution and recurrence side by side, eight builds."""
