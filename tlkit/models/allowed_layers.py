"""Allow-list of classes and functions in Keras configs: those that compute, and neither load, call nor write.

Each is written out. What a later Keras or KerasHub adds is refused until somebody has looked at it and added it here.
"""

from __future__ import annotations

from tlkit.models.text.families import KINDS


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# === Keras ===

LAYERS = _names(
    """
    Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention AugMix
    AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
    BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate
    ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D Conv3DTranspose
    ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D Convolution2DTranspose
    Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D
    Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten GRU GRUCell GaussianDropout GaussianNoise
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
    GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup
    LSTM LSTMCell LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D
    MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU
    Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
    RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation RandomSharpness
    RandomShear RandomTranslation RandomZoom ReLU RepeatVector Rescaling Reshape Resizing ReversibleEmbedding
    STFTSpectrogram SeparableConv1D SeparableConv2D SeparableConvolution1D SeparableConvolution2D SimpleRNN
    SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D SpectralNormalization
    StackedRNNCells StringLookup Subtract TextVectorization TimeDistributed UnitNormalization UpSampling1D
    UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    """
)
# why the others of `keras.layers` are not read
REFUSED = {
    "Lambda": "it may run code of its own",
    "TFSMLayer": "it loads a SavedModel, which is a program",
    "TorchModuleWrapper": "it unpickles a program",
    "JaxLayer": "it calls functions",
    "FlaxLayer": "it calls functions",
    "Layer": "it is no layer of its own",
    "Wrapper": "it is no layer of its own",
    "InputSpec": "it is no layer",
}
INITIALIZERS = _names(
    """
    Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer LecunNormal LecunUniform Ones
    Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT STFTInitializer TruncatedNormal VarianceScaling
    Zeros
    """
)
REGULARIZERS = frozenset(("L1", "L1L2", "L2", "OrthogonalRegularizer"))
CONSTRAINTS = frozenset(("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"))
POLICIES = _names(
    """
    AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy QuantizedDTypePolicy
    QuantizedFloat8DTypePolicy
    """
)
MODELS = frozenset(("Model", "Sequential", "Functional"))
ACTIVATIONS = _names(
    """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear log_sigmoid
    log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid
    sparsemax squareplus swish tanh tanh_shrink threshold
    """
)

# === Operations, as nodes of a functional model ===

CORE = _names("Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack")
NUMPY = _names(
    """
    Abs Absolute Add All Amax Amin Any Argmax Argmin Argsort Average BroadcastTo Ceil Clip Concatenate Cos Cosh
    CountNonzero Cumprod Cumsum Diagonal Divide DivideNoNan Dot Einsum Equal Exp ExpandDims Expm1 Flip Floor FloorDivide
    FullLike GetItem Greater GreaterEqual Isfinite Isinf Isnan Less LessEqual Log Log1p Log2 Logaddexp LogicalAnd
    LogicalNot LogicalOr LogicalXor Matmul Max Maximum Mean Median Min Minimum Mod Moveaxis Multiply NanToNum Negative
    NotEqual OnesLike Outer Pad Power Prod Ravel Reciprocal Repeat Reshape Roll Rot90 Round Select Sign Sin Sinh Sort
    Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Transpose Tril
    Triu TrueDivide Trunc Var Where ZerosLike
    """
)
NN = _names(
    """
    AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm Celu Conv ConvTranspose DepthToSpace DepthwiseConv
    DotProductAttention Elu Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid LogSoftmax
    MaxPool Moments MultiHot Normalize OneHot RMSNorm Relu Relu6 Selu SeparableConv Sigmoid Silu SoftShrink Softmax
    Softplus Softsign SpaceToDepth SparsePlus SparseSigmoid Sparsemax Squareplus TanhShrink Threshold
    """
)
MATH = _names("Erf Erfinv Logsumexp Rsqrt SegmentMax SegmentMin SegmentSum TopK")
IMAGE = _names("CropImages ExtractPatches PadImages RGBToGrayscale Resize")
LINALG = frozenset(("Norm",))

# the module as a config writes it -> the classes in it
KERAS = {
    "keras.layers": LAYERS,
    "keras.initializers": INITIALIZERS,
    "keras.regularizers": REGULARIZERS,
    "keras.constraints": CONSTRAINTS,
    "keras": MODELS | {"DTypePolicy", "FloatDTypePolicy"},
    "keras.models": MODELS,
    "keras.src.models.functional": frozenset(("Functional",)),
    "keras.dtype_policies": POLICIES,
    "keras.src.ops.core": CORE,
    "keras.src.ops.numpy": NUMPY,
    "keras.src.ops.nn": NN,
    "keras.src.ops.math": MATH,
    "keras.src.ops.image": IMAGE,
    "keras.src.ops.linalg": LINALG,
    "keras.src.applications.convnext": frozenset(("LayerScale",)),
    "keras.src.applications.inception_resnet_v2": frozenset(("CustomScaleLayer",)),
}

# === KerasHub and keras-cv ===

FUNCTIONS = frozenset(("keras_hub>gelu_approximate", "keras_nlp>gelu_approximate"))  # its activations
IMAGE_NETWORKS = (
    "CSPNet", "DINOV2", "DINOV3", "DeiT", "DenseNet", "EfficientNet", "HGNetV2", "MiT", "MobileNet", "MobileNetV5",
    "ResNet", "SwinTransformer", "VGG", "ViT", "Xception",
)  # fmt: skip
BACKBONES = frozenset(f"{kind}Backbone" for kind in IMAGE_NETWORKS) | {kind.backbone for kind in KINDS.values()}
CONVERTERS = frozenset(f"{kind}ImageConverter" for kind in ("", *IMAGE_NETWORKS))
TOKENIZERS = frozenset(kind.tokenizer for kind in KINDS.values())
# of `keras_hub.layers`, and those that stand in the modules of the networks above
HUB_LAYERS = _names(
    """
    AlibiBias CachedMultiHeadAttention PositionEmbedding RMSNormalization ReversibleEmbedding RotaryEmbedding
    SinePositionEncoding TokenAndPositionEmbedding TransformerDecoder TransformerEncoder

    BloomAttention BloomDecoder DisentangledAttentionEncoder DisentangledSelfAttention RelativeEmbedding DeiTEmbeddings
    DeiTEncoder DeiTEncoderBlock DeiTIntermediate DeiTOutput DINOV2Attention DINOV2DropPath DINOV2Embedding
    DINOV2Encoder DINOV2Layer DINOV2LayerScale DINOV2MLP DINOV2PatchEmbedding DINOV2SwiGLUFFN DINOV3Attention
    DINOV3DropPath DINOV3Embedding DINOV3Encoder DINOV3GatedMLP DINOV3Layer DINOV3LayerScale DINOV3MLP
    DINOV3PatchEmbedding DINOV3RopePositionEmbedding CBABlock FusedMBConvBlock MBConvBlock HGNetV2BasicLayer
    HGNetV2ConvLayer HGNetV2ConvLayerLight HGNetV2Embeddings HGNetV2Encoder HGNetV2LearnableAffineBlock HGNetV2Stage
    DropPath HierarchicalTransformerEncoder MixFFN OverlappingPatchingAndEmbedding SegFormerMultiheadAttention
    ConvBnActBlock DepthwiseConvBlock InvertedResidualBlock SqueezeAndExcite2D Attention2d CondConvResidual ConvNormAct
    EdgeResidual LayerScale2d MobileAttention MobileNetV5MultiScaleFusionAdapter MultiQueryAttention2d RmsNorm2d
    SEModule SelectAdaptivePool2d UniversalInvertedResidual Mlp PatchEmbedding PatchMerging SwinTransformerBlock
    SwinTransformerStage WindowAttention MLP ViTEncoder ViTEncoderBlock ViTPatchingAndEmbedding
    """
)
CV_BACKBONES = _names(
    """
    CSPDarkNetBackbone DenseNetBackbone EfficientNetLiteBackbone EfficientNetV1Backbone EfficientNetV2Backbone
    MiTBackbone MobileNetV3Backbone ResNetBackbone ResNetV2Backbone VGG16Backbone ViTDetBackbone YOLOV8Backbone
    """
)
CV_LAYERS = _names(
    """
    AddPositionalEmbedding AddRelativePositionalEmbedding CrossStagePartial DropBlock2D DropPath FusedMBConvBlock
    HierarchicalTransformerEncoder LayerScale MBConvBlock MultiHeadAttentionWithDownsampling
    MultiHeadAttentionWithRelativePE OverlappingPatchingAndEmbedding PatchingAndEmbedding SegFormerMultiheadAttention
    SpatialPyramidPooling SqueezeAndExcite2D StochasticDepth TransformerEncoder ViTDetPatchingAndEmbedding
    WindowPartitioning WindowedTransformerEncoder
    """
)

# === tlkit ===

# Each layer under the module it is in, and under the one it was in before modules had rooms (tlkit 0.1): files that
# were written then name that.
OWN = {
    "tlkit.strings": frozenset(("RelativePositions",)),
    "tlkit.tokens": frozenset(("Tokens",)),
    "tlkit.turns": frozenset(("ReplyTokens", "SummaryTokens")),
    "tlkit.models.text.text_input": frozenset(("RelativePositions",)),
    "tlkit.models.text.tokenizer": frozenset(("Tokens",)),
    "tlkit.models.text.hashed_words": frozenset(("HashedWords", "WordScores")),
    "tlkit.models.generation.prompt_tokenizer": frozenset(("ReplyTokens", "SummaryTokens")),
}
