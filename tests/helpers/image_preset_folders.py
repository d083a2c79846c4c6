"""Tiny image backbones of KerasHub with random weights, and the folders they are kept in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 32
SCALE, OFFSET = [1 / 60, 1 / 61, 1 / 62], [-2.0, -2.1, -2.2]  # the image converter's, as no known network has it
TOKENS = {"num_layers": 3, "num_heads": 2, "hidden_dim": 16}
PICTURE = (SIZE, SIZE, 3)

# name -> (class, arguments, number of blocks, whether there is a class token)
NETWORKS: dict[str, tuple[str, dict[str, Any], int, bool]] = {
    "vit": ("ViT", {**TOKENS, "image_shape": PICTURE, "patch_size": 8, "mlp_dim": 32}, 3, True),
    "vit_without_class_token": (
        "ViT",
        {**TOKENS, "image_shape": PICTURE, "patch_size": 8, "mlp_dim": 32, "use_class_token": False},
        3,
        False,
    ),
    "deit": ("DeiT", {**TOKENS, "image_shape": PICTURE, "patch_size": 8, "intermediate_dim": 32}, 3, True),
    "dinov2": (
        "DINOV2",
        {
            **TOKENS,
            "image_shape": PICTURE,
            "patch_size": 8,
            "intermediate_dim": 32,
            "num_register_tokens": 2,
            "position_embedding_shape": (48, 48, 3),
        },
        3,
        True,
    ),
    "dinov3": (
        "DINOV3",
        {**TOKENS, "image_shape": PICTURE, "patch_size": 8, "intermediate_dim": 32, "num_register_tokens": 2},
        1,
        True,
    ),
    "swin": (
        "SwinTransformer",
        {"image_shape": PICTURE, "embed_dim": 8, "depths": (1, 2), "num_heads": (1, 2), "window_size": 4},
        3,
        False,
    ),
    "mit": (
        "MiT",
        {
            "image_shape": PICTURE,
            "layerwise_depths": [1, 2],
            "num_layers": 2,
            "layerwise_num_heads": [1, 2],
            "layerwise_sr_ratios": [2, 1],
            "max_drop_path_rate": 0.1,
            "layerwise_patch_sizes": [7, 3],
            "layerwise_strides": [4, 2],
            "hidden_dims": [8, 16],
        },
        2,
        False,
    ),
    "resnet_vd": (
        "ResNet",
        {
            "input_conv_filters": [8, 8, 16],
            "input_conv_kernel_sizes": [3, 3, 3],
            "stackwise_num_filters": [64, 64, 64],
            "stackwise_num_blocks": [1, 2, 1],
            "stackwise_num_strides": [1, 2, 2],
            "block_type": "basic_block_vd",
        },
        3,
        False,
    ),
    "resnet_v2": (
        "ResNet",
        {
            "input_conv_filters": [64],
            "input_conv_kernel_sizes": [7],
            "stackwise_num_filters": [64, 64],
            "stackwise_num_blocks": [2, 1],
            "stackwise_num_strides": [1, 2],
            "block_type": "basic_block",
            "use_pre_activation": True,
        },
        2,
        False,
    ),
    "darknet": (
        "CSPNet",
        {
            "stem_filters": 8,
            "stem_kernel_size": 3,
            "stem_strides": 1,
            "stackwise_depth": [1, 2],
            "stackwise_strides": [2, 2],
            "stackwise_num_filters": [16, 32],
            "block_type": "dark_block",
            "stage_type": "dark",
        },
        2,
        False,
    ),
    "efficientnet": (
        "EfficientNet",
        {
            "stackwise_kernel_sizes": [3, 3],
            "stackwise_num_repeats": [1, 2],
            "stackwise_input_filters": [16, 16],
            "stackwise_output_filters": [16, 24],
            "stackwise_expansion_ratios": [1, 2],
            "stackwise_squeeze_and_excite_ratios": [0.25, 0.25],
            "stackwise_strides": [1, 2],
            "stackwise_block_types": ["v1", "v1"],
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
        },
        2,
        False,
    ),
    "densenet": ("DenseNet", {"stackwise_num_repeats": [1, 2, 1], "growth_rate": 8}, 3, False),
    "xception": (
        "Xception",
        {"stackwise_conv_filters": [[8, 16], [24, 24], [32, 32]], "stackwise_pooling": [False, True, False]},
        2,
        False,
    ),
    "vgg": ("VGG", {"stackwise_num_repeats": [1, 2], "stackwise_num_filters": [8, 16]}, 2, False),
    "mobilenet": (
        "MobileNet",
        {
            "stackwise_expansion": [[16, 24], [24, 24]],
            "stackwise_num_blocks": [2, 2],
            "stackwise_num_filters": [[16, 16], [24, 24]],
            "stackwise_kernel_size": [[3, 3], [5, 5]],
            "stackwise_num_strides": [[2, 1], [2, 1]],
            "stackwise_se_ratio": [[None, None], [0.25, 0.25]],
            "stackwise_activation": [["relu", "relu"], ["hard_swish", "hard_swish"]],
            "stackwise_padding": [[1, 1], [2, 2]],
            "output_num_filters": 32,
            "depthwise_filters": 16,
            "depthwise_stride": 1,
            "depthwise_residual": True,
            "last_layer_filter": 32,
            "input_num_filters": 16,
        },
        6,
        False,
    ),
    "hgnetv2": (
        "HGNetV2",
        {
            "depths": [1, 1],
            "embedding_size": 8,
            "hidden_sizes": [16, 32],
            "stem_channels": [3, 8, 8],
            "hidden_act": "relu",
            "use_learnable_affine_block": False,
            "stackwise_stage_filters": [(8, 8, 16, 1, 1, 3), (16, 8, 32, 1, 1, 3)],
            "apply_downsample": [False, True],
            "use_lightweight_conv_block": [False, False],
            "image_shape": PICTURE,
        },
        1,
        False,
    ),
}


def network(name: str) -> Any:
    """Build one of NETWORKS, its weights drawn wide enough that pictures lead to answers that differ."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(3)
    kind, arguments, _, _ = NETWORKS[name]
    backbone = getattr(keras_hub.models, f"{kind}Backbone")(**arguments)
    rng = np.random.default_rng(2)
    for weight in backbone.trainable_weights:
        if len(weight.shape) < 2:
            weight.assign(weight.numpy() + rng.normal(0, 0.1, weight.shape))
    return backbone


def keras_hub_folder(folder: Path, name: str) -> tuple[Path, Any]:
    """Save one of NETWORKS with its image converter as a preset; return the folder and the backbone."""
    import keras_hub

    backbone = network(name)
    backbone.save_to_preset(str(folder))
    converter = getattr(keras_hub.layers, f"{NETWORKS[name][0]}ImageConverter")
    converter(image_size=(SIZE, SIZE), scale=SCALE, offset=OFFSET).save_to_preset(str(folder))
    return folder, backbone


def answer(backbone: Any, pixels: np.ndarray) -> np.ndarray:
    """Return what a backbone makes of scaled pixels; of several maps the last."""
    given = backbone(dict.fromkeys(backbone.input, pixels) if isinstance(backbone.input, dict) else pixels)
    return (given[backbone.stage_names[-1]] if isinstance(given, dict) else given).numpy()


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Do what the image converter does, but in numpy."""
    return (pixels * np.array(SCALE) + np.array(OFFSET)).astype(np.float32)


# === Layouts of others ===


def huggingface_folder(folder: Path) -> tuple[Path, Any]:
    """Write the tiny ViT as Hugging Face lays it out; return the folder and the backbone."""
    from safetensors.numpy import save_file

    backbone = network("vit")
    embedding, encoder = backbone.layers[1], backbone.layers[2]
    tensors = {
        "vit.embeddings.patch_embeddings.projection.weight": _oihw(embedding.patch_embedding.kernel),
        "vit.embeddings.patch_embeddings.projection.bias": embedding.patch_embedding.bias.numpy(),
        "vit.embeddings.cls_token": embedding.class_token.numpy(),
        "vit.embeddings.position_embeddings": embedding.position_embedding.embeddings.numpy()[None],
        **_norm("vit.layernorm", encoder.layer_norm),
    }
    for number, layer in enumerate(encoder.encoder_layers):
        prefix = f"vit.encoder.layer.{number}"
        tensors |= _norm(f"{prefix}.layernorm_before", layer.layer_norm_1)
        tensors |= _norm(f"{prefix}.layernorm_after", layer.layer_norm_2)
        tensors |= _dense(f"{prefix}.intermediate.dense", layer.mlp.dense_1)
        tensors |= _dense(f"{prefix}.output.dense", layer.mlp.dense_2)
        for part in ("query", "key", "value"):
            dense = getattr(layer.mha, f"{part}_dense")
            tensors |= _dense(f"{prefix}.attention.attention.{part}", dense, width=16)
        tensors |= _dense(f"{prefix}.attention.output.dense", layer.mha.output_dense, width=16)
    folder.mkdir()
    save_file({key: np.ascontiguousarray(value) for key, value in tensors.items()}, folder / "model.safetensors")
    shape = {"image_size": SIZE, "patch_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 16}
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "qkv_bias": True}
    config = {"model_type": "vit", "architectures": ["ViTModel"], "intermediate_size": 32, **shape, **rates}
    (folder / "config.json").write_text(json.dumps(config))
    mean, std = [0.4, 0.5, 0.6], [0.5, 0.25, 0.2]
    facts = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": mean, "image_std": std}
    (folder / "preprocessor_config.json").write_text(json.dumps({**facts, "size": {"height": SIZE, "width": SIZE}}))
    return folder, backbone


def timm_folder(folder: Path) -> tuple[Path, Any]:
    """Write a DenseNet121 as timm lays it out; return the folder and the backbone."""
    import keras
    import keras_hub
    from safetensors.numpy import save_file

    keras.utils.set_random_seed(3)
    backbone = keras_hub.models.DenseNetBackbone(stackwise_num_repeats=[6, 12, 24, 16])
    tensors = {}
    for layer in backbone.layers:
        name = _timm_name(layer.name)
        if isinstance(layer, keras.layers.Conv2D):
            tensors[f"{name}.weight"] = np.ascontiguousarray(_oihw(layer.kernel))
        if isinstance(layer, keras.layers.BatchNormalization):
            parts = ("gamma", "beta", "moving_mean", "moving_variance")
            for part, key in zip(parts, ("weight", "bias", "running_mean", "running_var"), strict=True):
                tensors[f"{name}.{key}"] = getattr(layer, part).numpy()
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    facts = {
        "input_size": [3, SIZE, SIZE],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.5, 0.25, 0.2],
        "interpolation": "bicubic",
    }
    config = {"architecture": "densenet121", "num_classes": 10, "pretrained_cfg": facts}
    (folder / "config.json").write_text(json.dumps(config))
    return folder, backbone


def _timm_name(name: str) -> str:
    """Translate the name of a layer of KerasHub's DenseNet."""
    fixed = {"conv1_conv": "conv0", "conv1_bn": "norm0", "bn": "norm5"}
    if name in fixed:
        return f"features.{fixed[name]}"
    place, _, kind = name.rpartition("_")
    kind = {"bn": "norm", "conv": "conv"}.get(kind, kind)
    if place.startswith("transition"):
        return f"features.{place}.{kind}"
    if not place.startswith("stack") or kind not in ("norm", "conv"):
        return name
    stack, block, number = place.split("_")
    return f"features.dense{stack.replace('stack', 'block')}.dense{block.replace('block', 'layer')}.{kind}{number}"


def _oihw(kernel: Any) -> np.ndarray:
    return np.transpose(kernel.numpy(), (3, 2, 0, 1))


def _norm(name: str, layer: Any) -> dict[str, np.ndarray]:
    return {f"{name}.weight": layer.gamma.numpy(), f"{name}.bias": layer.beta.numpy()}


def _dense(name: str, layer: Any, width: int = 0) -> dict[str, np.ndarray]:
    kernel, bias = layer.kernel.numpy(), layer.bias.numpy()
    if width:
        kernel, bias = kernel.reshape(width, width), bias.reshape(width)
    return {f"{name}.weight": kernel.T, f"{name}.bias": bias}
