"""Every file of weights that scenivid may download, with its licence: nothing else is ever fetched."""

from __future__ import annotations

from scenivid.errors import ConfigError
from scenivid.weights.published import Published

_TORCHVISION = "https://download.pytorch.org/models/"
_BSD = "BSD-3-Clause (torchvision)"
NON_COMMERCIAL = "S-Lab Licence 1.0 (non-commercial), of the Scenimefy authors"


def _torchvision(name: str, file: str, about: str) -> Published:
    """Its files' names end with the beginning of their SHA-256."""
    return Published(name, _TORCHVISION + file, file, file[-12:-4], _BSD, about)


# The addresses are written out: importing torchvision to ask it takes seconds.
RAFT_LARGE = _torchvision("raft-large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth", "optical flow, the best")
RAFT_SMALL = _torchvision("raft-small", "raft_small_C_T_V2-01064c6d.pth", "optical flow, in place of ours")
VGG19 = _torchvision("vgg19", "vgg19-dcbb9e9d.pth", "content loss of the paper's fine-tuning")
VGG16 = _torchvision("vgg16", "vgg16-397923af.pth", "LPIPS as a training loss")
ALEXNET = _torchvision("alexnet", "alexnet-owt-7be5be79.pth", "LPIPS as a measure")
DEEPLAB = _torchvision(
    "deeplab", "deeplabv3_resnet50_coco-cd0a2569.pth", "segmentation for the choice of pairs"
)
CLIP = Published(
    "clip",
    "https://openaipublic.azureedge.net/clip/models/"
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
    "ViT-B-32.pt",
    "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
    "MIT (OpenAI)",
    "CLIP ViT-B/32: semantics of fine-tuning, consistency over time",
)
DINO = Published(
    "dino",
    "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth",
    "dino_vitbase16_pretrain.pth",
    licence="Apache-2.0 (Meta)",
    about="DINO ViT-B/16: consistency over time",
)
INCEPTION = Published(
    "inception",
    "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    "inception-2015-12-05.pt",
    "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    licence="Apache-2.0 (TensorFlow's weights, as NVIDIA publishes them)",
    about="Inception v3 for FID and KID",
)
MASK2FORMER = Published(
    "mask2former",
    "https://huggingface.co/facebook/mask2former-swin-base-ade-semantic/resolve/main",
    "mask2former-swin-base-ade-semantic",
    licence="MIT (code); trained on ADE20K, whose pictures are for research and teaching",
    about="Mask2Former, Swin-B on ADE20K: segmentation for the choice of pairs, as in the paper",
    parts=("config.json", "preprocessor_config.json", "model.safetensors|pytorch_model.bin"),
)
YUNET = Published(
    "yunet",
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx",
    "face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    licence="MIT (OpenCV Zoo)",
    about="YuNet: faces, for `train data` with rules.faces = drop",
)
_SCENIMEFY = "https://github.com/Yuxinn-J/Scenimefy/releases/download/"
STYLEGAN2_LHQ = Published(
    "stylegan2-lhq",
    _SCENIMEFY + "v0.0.1/lhq-220000.pt",
    "lhq-220000.pt",
    licence=NON_COMMERCIAL,
    about="StyleGAN2 of landscapes (LHQ, 256 px): what `train finetune` and `train pairs` start from",
)
STYLEGAN2_SHINKAI = Published(
    "stylegan2-shinkai",
    _SCENIMEFY + "v0.0.1/shinkai-221000.pt",
    "shinkai-221000.pt",
    licence=NON_COMMERCIAL,
    about="The same, fine-tuned by the authors: the target of `train pairs`",
)
SHINKAI = Published(
    "scenimefy-shinkai",
    _SCENIMEFY + "v0.1.0/Shinkai_net_G.pth",
    "Shinkai_net_G.pth",
    licence=NON_COMMERCIAL,
    about="The official generator of Scenimefy, trained on frames of Makoto Shinkai's films",
)
CATALOGUE = (
    *(RAFT_LARGE, RAFT_SMALL, CLIP, VGG19, VGG16, ALEXNET, INCEPTION, DINO, DEEPLAB, MASK2FORMER, YUNET),
    *(STYLEGAN2_LHQ, STYLEGAN2_SHINKAI, SHINKAI),
)
TOGETHER = {
    "vgg": (VGG19, VGG16),
    "lpips": (VGG16, ALEXNET),  # its own layers come with the package of this name
    "raft": (RAFT_LARGE, RAFT_SMALL),
    "stylegan2": (STYLEGAN2_LHQ, STYLEGAN2_SHINKAI),
    "scenimefy": (SHINKAI,),
}
"""Names for some at once."""


def entries(name: str) -> tuple[Published, ...]:
    """The entry of this name, or those that it stands for.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    return TOGETHER.get(name) or (entry(name),)


def entry(name: str) -> Published:
    """The entry of this name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    for weights in CATALOGUE:
        if weights.name == name:
            return weights
    known = ", ".join([*(weights.name for weights in CATALOGUE), *TOGETHER])
    raise ConfigError(f"no weights called {name!r}; known: {known}")
