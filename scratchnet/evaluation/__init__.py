"""What a trained network is worth: held-out data, metrics, and the n-grams that it has to beat.

Nothing here changes a network.
"""
