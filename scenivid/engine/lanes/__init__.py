"""The ways of frames through the stages: as planes on the CPU, as tensors on CUDA."""
