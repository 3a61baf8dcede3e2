"""Files that hold weights: PyTorch checkpoints, ncnn models, safetensors."""


class WeightFileError(Exception):
    """What is wrong with a file, as one sentence for a person."""
