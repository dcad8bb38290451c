"""The parts of scripts/gpu-check. Only models.py and rivals.py need PyTorch; numpy is nowhere needed."""
