"""The nets that programs read with OpenCV, layer by layer as they were published, with few channels.

Written from facts of the published definitions: types, order, names that programs ask for, kernels, strides, pads,
dilations, groups, priors, thresholds. `NETS` has them by name.
"""


class Draft:
    """A definition that grows; every method adds a layer and returns its top."""

    def __init__(self, *inputs: str):
        self.text = "\n".join(inputs) + "\n"

    def add(self, kind, name, *bottoms, top="", options=""):
        top = top or name
        blobs = "".join(f' bottom: "{b}"' for b in bottoms) + (f' top: "{top}"' if kind != "Silence" else "")
        self.text += f'layer {{ name: "{name}" type: "{kind}"{blobs} {options} }}\n'
        return top

    def conv(self, name, bottom, outputs, kernel=3, act="ReLU", pad=None, dilation=1, kind="Convolution", more=""):
        """A convolution that keeps the size (but for its stride) unless `pad` is given, and its nonlinearity."""
        pad = dilation * (kernel - 1) // 2 if pad is None else pad
        self.add(
            kind,
            name,
            bottom,
            options=f"convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {pad} dilation: {dilation}"
            f" {more} }}",
        )
        if act == "Leaky":
            self.add("ReLU", f"{name}/relu", name, top=name, options="relu_param { negative_slope: 0.05 }")
        elif act:
            self.add(act, f"{name}/relu", name, top=name)
        return name

    def normalise(self, name, bottom, top="", act=True):
        """BatchNorm into `top` (in place by default), Scale, and ReLU."""
        top = self.add("BatchNorm", f"{name}_bn", bottom, top=top or bottom)
        self.add("Scale", f"{name}_scale", top, top=top, options="scale_param { bias_term: true }")
        return self.add("ReLU", f"{name}_relu", top, top=top) if act else top

    def pool(self, name, bottom, kernel, stride=2):
        return self.add("Pooling", name, bottom, options=f"pooling_param {{ kernel_size: {kernel} stride: {stride} }}")

    def lrn(self, name, bottom):
        return self.add("LRN", name, bottom, options="lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 }")

    def product(self, name, bottom, outputs):
        return self.add("InnerProduct", name, bottom, options=f"inner_product_param {{ num_output: {outputs} }}")

    def detector(self, sources, classes, detection, kernel):
        """SSD's heads on (blob, priors, PriorBox's options), and DetectionOutput."""
        parts = {"loc": [], "conf": [], "priorbox": []}
        for blob, priors, boxes in sources:
            for kind, outputs in (("loc", 4 * priors), ("conf", classes * priors)):
                name = self.conv(f"{blob}_mbox_{kind}", blob, outputs, kernel, act="")
                order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
                name = self.add("Permute", f"{name}_perm", name, options=order)
                parts[kind].append(self.add("Flatten", f"{name}_flat", name, options="flatten_param { axis: 1 }"))
            variance = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"
            options = f"prior_box_param {{ {boxes} clip: false {variance} }}"
            parts["priorbox"].append(self.add("PriorBox", f"{blob}_mbox_priorbox", blob, "data", options=options))
        for kind, axis in (("loc", 1), ("conf", 1), ("priorbox", 2)):
            self.add("Concat", f"mbox_{kind}", *parts[kind], options=f"concat_param {{ axis: {axis} }}")
        rows = f"reshape_param {{ shape {{ dim: 0 dim: -1 dim: {classes} }} }}"
        self.add("Reshape", "mbox_conf_reshape", "mbox_conf", options=rows)
        self.add("Softmax", "mbox_conf_softmax", "mbox_conf_reshape", options="softmax_param { axis: 2 }")
        self.add("Flatten", "mbox_conf_flatten", "mbox_conf_softmax", options="flatten_param { axis: 1 }")
        options = (
            f"detection_output_param {{ num_classes: {classes} share_location: true background_label_id: 0"
            f" code_type: CENTER_SIZE {detection} }} include {{ phase: TEST }}"
        )
        self.add("DetectionOutput", "detection_out", "mbox_loc", "mbox_conf_flatten", "mbox_priorbox", options=options)


def _input(name, *dims):
    return f'input: "{name}" input_shape {{ {" ".join(f"dim: {d}" for d in dims)} }}'


def _input_layer(name, *dims):
    shape = " ".join(f"dim: {d}" for d in dims)
    return f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {shape} }} }} }}'


def face_detector():
    """OpenCV's SSD face detector: ten layers of a residual net, six heads, conv4_3 normalised."""
    net = Draft(_input("data", 1, 3, 300, 300))
    net.normalise("data", "data", top="data_bn", act=False)
    net.conv("conv1_h", "data_bn", 4, 7, act="", more="stride: 2")
    net.normalise("conv1", "conv1_h")
    top = net.pool("conv1_pool", "conv1_h", 3)
    net.conv("layer_64_1_conv1_h", top, 4, act="", more="bias_term: false")
    net.normalise("layer_64_1", "layer_64_1_conv1_h")
    net.conv("layer_64_1_conv2_h", "layer_64_1_conv1_h", 4, act="", more="bias_term: false")
    top = net.add("Eltwise", "layer_64_1_sum", "layer_64_1_conv2_h", top)
    for name, middle, outputs, stride, dilation in (
        ("128_1", 8, 8, 2, 1),
        ("256_1", 16, 16, 2, 1),
        ("512_1", 8, 16, 1, 2),
    ):
        before = net.normalise(f"layer_{name}_1", top, top=f"layer_{name}_bn1")
        first = net.conv(f"layer_{name}_conv1", before, middle, act="", more=f"bias_term: false stride: {stride}")
        net.normalise(f"layer_{name}_2", first)
        second = net.conv(f"layer_{name}_conv2", first, outputs, act="", dilation=dilation, more="bias_term: false")
        more = f"bias_term: false stride: {stride}"
        wider = net.conv(f"layer_{name}_conv_expand", before, outputs, 1, act="", more=more)
        top = net.add("Eltwise", f"layer_{name}_sum", second, wider)
    net.normalise("last", top, act=False)
    top = net.add("ReLU", "last_relu", top, top="fc7")
    for name, stride in (("conv6", 2), ("conv7", 2), ("conv8", 1), ("conv9", 1)):
        top = net.conv(f"{name}_2_h", net.conv(f"{name}_1_h", top, 8, 1), 8, more=f"stride: {stride}")
    scale = 'across_spatial: false scale_filler { type: "constant" value: 20 } channel_shared: false'
    net.add("Normalize", "conv4_3_norm", "layer_256_1_bn1", options=f"norm_param {{ {scale} }}")
    two, three = "aspect_ratio: 2 flip: true offset: 0.5", "aspect_ratio: 2 aspect_ratio: 3 flip: true offset: 0.5"
    sizes = (30, 60, 111, 162, 213, 264, 315)
    names = ("conv4_3_norm", "fc7", "conv6_2_h", "conv7_2_h", "conv8_2_h", "conv9_2_h")
    sources = [
        (name, 4 if ratios is two else 6, f"min_size: {sizes[i]} max_size: {sizes[i + 1]} {ratios} step: {step}")
        for i, (name, ratios, step) in enumerate(
            zip(names, (two, three, three, three, two, two), (8, 16, 32, 64, 100, 300), strict=True)
        )
    ]
    nms = "nms_param { nms_threshold: 0.45 top_k: 400 } keep_top_k: 200 confidence_threshold: 0.6 clip: true"
    net.detector(sources, 2, nms, 3)
    return net.text


def mobilenet_ssd():
    """MobileNet-SSD of 20 classes with its BatchNorm folded in."""
    net = Draft(_input("data", 1, 3, 300, 300))
    top, channels = net.conv("conv0", "data", 4, more="stride: 2"), 4
    for i, (stride, outputs) in enumerate([(1, 8), (2, 16), (1, 16), (2, 32), (1, 32), (2, 64)] + [(1, 64)] * 5, 1):
        top = net.conv(f"conv{i}/dw", top, channels, more=f"group: {channels} stride: {stride}")
        top, channels = net.conv(f"conv{i}", top, outputs, 1), outputs
    for i, stride in ((12, 2), (13, 1)):
        top = net.conv(f"conv{i}/dw", top, channels, more=f"group: {channels} stride: {stride}")
        top, channels = net.conv(f"conv{i}", top, 64, 1), 64
    for i in (14, 15, 16, 17):
        top = net.conv(f"conv{i}_2", net.conv(f"conv{i}_1", top, 16, 1), 32, more="stride: 2")
    sizes = (105, 150, 195, 240, 285, 300)
    sources = [("conv11", 3, "min_size: 60 aspect_ratio: 2 flip: true offset: 0.5")]
    blobs = ("conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")
    for blob, low, high in zip(blobs, sizes[:-1], sizes[1:], strict=True):
        boxes = f"min_size: {low} max_size: {high} aspect_ratio: 2 aspect_ratio: 3 flip: true offset: 0.5"
        sources.append((blob, 6, boxes))
    nms = "nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 100 confidence_threshold: 0.15"
    net.detector(sources, 21, nms, 1)
    return net.text


def goturn():
    """GOTURN as OpenCV's tracker reads it: two towers of CaffeNet, whose inputs have no shapes in the definition."""
    net = Draft('name: "GOTURN" input: "data1" input: "data2"')
    for n in "12":
        top = net.conv(f"conv{n}1", f"data{n}", 8, 11, pad=0, more="stride: 4")
        top = net.lrn(f"norm{n}1", net.pool(f"pool{n}1", top, 3))
        top = net.conv(f"conv{n}2", top, 16, 5, more="group: 2")
        top = net.lrn(f"norm{n}2", net.pool(f"pool{n}2", top, 3))
        top = net.conv(f"conv{n}3", top, 24)
        top = net.conv(f"conv{n}4", top, 24, more="group: 2")
        net.pool(f"pool{n}5", net.conv(f"conv{n}5", top, 16, more="group: 2"), 3)
    top = net.add("Concat", "concat1", "pool15", "pool25", top="poolConcat")
    for n in (6, 7):
        top = net.product(f"fc{n}", top, 32)
        net.add("ReLU", f"relu{n}", top, top=top)
        net.add("Dropout", f"drop{n}", top, top=top, options="dropout_param { dropout_ratio: 0.5 }")
    net.add("Power", "scale", net.product("fc8", top, 4), top="out", options="power_param { scale: 10 }")
    return net.text


def wechat_detect():
    """WeChat's detector of QR codes: residual blocks of 1x1, depthwise 3x3 and 1x1, five heads."""
    net = Draft(_input_layer("data", 1, 1, 384, 384))
    net.normalise("data", "data", act=False)
    top = net.conv("stage1", "data", 8, act="", more="stride: 2")
    net.normalise("stage1", top)
    top = net.pool("stage2", top, 3)
    for stage, blocks, stride, dilation in (
        (3, 2, 2, 1),
        (4, 3, 2, 1),
        (5, 2, 2, 1),
        (6, 2, 1, 2),
        (7, 2, 1, 2),
        (8, 2, 1, 2),
    ):
        for i in range(1, blocks + 1):
            name, short = f"stage{stage}_{i}", top
            if i == 1 and stage > 5:
                short = net.conv(f"{name}/conv4", top, 16, 1, act="", more="bias_term: false")
            inner = net.conv(f"{name}/conv1", top, 4, 1, more="bias_term: false")
            more = f"bias_term: false group: 4 stride: {stride if i == 1 else 1}"
            inner = net.conv(f"{name}/conv2", inner, 4, act="", dilation=dilation, more=more)
            inner = net.conv(f"{name}/conv3", inner, 16, 1, act="", more="bias_term: false")
            if i > 1 or stage > 5:
                inner = net.add("Eltwise", f"{name}/sum", short, inner, options="eltwise_param { operation: SUM }")
            top = inner
            net.add("ReLU", f"{name}/relu", top, top=top)
    ratios = f"aspect_ratio: 2 aspect_ratio: 0.5 aspect_ratio: 3 aspect_ratio: {1 / 3} flip: false"
    blobs = ("stage4_3/sum", "stage5_2/sum", "stage6_2/sum", "stage7_2/sum", "stage8_2/sum")
    sizes = ((50, 100, 16), (100, 150, 32), (150, 200, 32), (200, 300, 32), (300, 400, 32))
    sources = [
        (blob, 6, f"min_size: {low} max_size: {high} {ratios} step: {step}")
        for blob, (low, high, step) in zip(blobs, sizes, strict=True)
    ]
    nms = "nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 100 confidence_threshold: 0.6"
    net.detector(sources, 2, nms, 1)
    return net.text


def wechat_super_resolution():
    """WeChat's doubler of small QR codes: depthwise dense blocks and a deconvolution, added to the nearest pixels."""
    net = Draft(_input_layer("data", 1, 1, 24, 24))
    top = net.conv("conv0", "data", 32, act="Leaky")
    for block in ("db1", "db2"):
        inner = net.conv(f"{block}/reduce", top, 8, 1, act="Leaky")
        inner = net.conv(f"{block}/3x3", inner, 8, act="Leaky", more="group: 8")
        inner = net.conv(f"{block}/1x1", inner, 32, 1, act="Leaky")
        top = net.add("Concat", f"{block}/concat", top, inner, options="concat_param { axis: 1 }")
    top = net.conv("upsample/reduce", top, 32, 1, act="Leaky")
    top = net.conv("upsample/deconv", top, 32, act="Leaky", kind="Deconvolution", more="group: 32 stride: 2")
    net.conv("upsample/rec", top, 1, 1, act="")
    net.conv("nearest", "data", 1, 2, act="", pad=0, kind="Deconvolution", more="stride: 2 bias_term: false")
    net.add("Crop", "Crop1", "nearest", "upsample/rec")
    net.add("Eltwise", "fc", "Crop1", "upsample/rec", options="eltwise_param { operation: SUM }")
    return net.text


def _vgg(net, act4="ReLU"):
    """OpenPose's first ten layers, down to an eighth of the size."""
    top = "image"
    for stage, layers, outputs in ((1, 2, 4), (2, 2, 8), (3, 4, 8)):
        for i in range(1, layers + 1):
            top = net.conv(f"conv{stage}_{i}", top, outputs)
        top = net.pool(f"pool{stage}_stage1", top, 2)
    return net.conv("conv4_2", net.conv("conv4_1", top, 16), 16, act=act4)


def openpose_body_25():
    """OpenPose's BODY_25: dense blocks with PReLU, the fields refined first and the parts after them."""
    net = Draft(_input("image", 1, 3, 16, 16))
    top = net.conv("conv4_4_CPM", net.conv("conv4_3_CPM", _vgg(net, "PReLU"), 8, act="PReLU"), 8, act="PReLU")
    before = [top]
    for branch, outputs, stages in (("L2", 52, (0, 1)), ("L1", 26, (0, 1))):
        for stage in stages:
            top = before[0]
            if len(before) > 1:
                top = net.add("Concat", f"concat_stage{stage}_{branch}", *before)
            for i in range(1, 4):
                parts = []
                for part in range(3):
                    top = net.conv(f"Mconv{i}_stage{stage}_{branch}_{part}", top, 6, act="PReLU")
                    parts.append(top)
                top = net.add("Concat", f"Mconv{i}_stage{stage}_{branch}_concat", *parts)
            top = net.conv(f"Mconv6_stage{stage}_{branch}", top, 16, 1, act="PReLU")
            top = net.conv(f"Mconv7_stage{stage}_{branch}", top, outputs, 1, act="")
            before = [before[0], *([before[1]] if branch == "L1" else []), top]
    net.add("Concat", "net_output", before[-1], before[1])
    return net.text


def openpose(limbs, parts, stages=3):
    """OpenPose's COCO (38 fields, 19 parts) and MPI (28, 16): two branches a stage, 7x7 from the second on."""
    net = Draft(_input("image", 1, 3, 1, 1))
    features = net.conv("conv4_4_CPM", net.conv("conv4_3_CPM", _vgg(net), 8), 8)
    tops = [features, features]
    for stage in range(1, stages + 1):
        for branch, outputs in enumerate((limbs, parts)):
            top, kernel, layers = tops[branch], 3 if stage == 1 else 7, 3 if stage == 1 else 5
            for i in range(1, layers + 1):
                top = net.conv(f"Mconv{i}_stage{stage}_L{branch + 1}", top, 8, kernel)
            top = net.conv(f"Mconv6_stage{stage}_L{branch + 1}", top, 16, 1)
            tops[branch] = net.conv(f"Mconv7_stage{stage}_L{branch + 1}", top, outputs, 1, act="")
        if stage < stages:
            tops = [net.add("Concat", f"concat_stage{stage + 1}", *tops, features)] * 2
    net.add("Concat", "net_output", tops[1], tops[0])
    return net.text


def openpose_hand():
    """OpenPose's hand: one branch of 22 maps."""
    net = Draft(_input("image", 1, 3, 1, 1))
    features = net.conv("conv5_3_CPM", net.conv("conv4_4", _vgg(net), 16), 8)
    top = net.conv("conv6_2_CPM", net.conv("conv6_1_CPM", features, 16, 1), 22, 1, act="")
    for stage in (2, 3):
        top = net.add("Concat", f"concat_stage{stage}", top, features)
        for i in range(1, 6):
            top = net.conv(f"Mconv{i}_stage{stage}", top, 8, 7)
        top = net.conv(f"Mconv6_stage{stage}", top, 8, 1)
        top = net.conv(f"Mconv7_stage{stage}", top, 22, 1, act="")
    return net.text


def colorization():
    """Zhang's colorization: dilated convolutions, 313 classes of colour, and their centres as a 1x1 convolution."""
    net = Draft(_input_layer("data_l", 1, 1, 32, 32))
    top = "data_l"
    for block, layers, outputs, stride, dilation in (
        (1, 2, 4, 2, 1),
        (2, 2, 8, 2, 1),
        (3, 3, 8, 2, 1),
        (4, 3, 16, 1, 1),
        (5, 3, 16, 1, 2),
        (6, 3, 16, 1, 2),
        (7, 3, 16, 1, 1),
    ):
        for i in range(1, layers + 1):
            more = f"stride: {stride if i == layers else 1}"
            top = net.conv(f"conv{block}_{i}", top, outputs, dilation=dilation, more=more)
        top = net.add("BatchNorm", f"conv{block}_{layers}norm", top, options="batch_norm_param { }")
    top = net.conv("conv8_1", top, 8, 4, pad=1, kind="Deconvolution", more="stride: 2")
    top = net.conv("conv8_313", net.conv("conv8_3", net.conv("conv8_2", top, 8), 8), 313, 1, act="")
    scale = "scale_param { bias_term: false filler { type: 'constant' value: 2.606 } }"
    top = net.add("Softmax", "class8_313_rh", net.add("Scale", "conv8_313_rh", top, options=scale))
    net.add("Silence", "Silence", net.conv("class8_ab", top, 2, 1, act=""))
    return net.text


def aod_net():
    """AOD-Net: five convolutions of three maps, and the picture without haze as K x - K + 1."""
    net = Draft(_input("data", 1, 3, 20, 24))
    tops = [net.conv("conv1", "data", 3, 1)]
    tops.append(net.conv("conv2", tops[0], 3))
    tops.append(net.conv("conv3", net.add("Concat", "Concat1", *tops), 3, 5))
    tops.append(net.conv("conv4", net.add("Concat", "Concat2", *tops[1:]), 3, 7))
    last = net.conv("conv5", net.add("Concat", "Concat3", *tops), 3, act="")
    net.add("ReLU", "relu5", last, top="K")
    net.add("Eltwise", "prod", "data", "K", options="eltwise_param { operation: PROD }")
    net.add("Eltwise", "eltwise_layer", "prod", "K", options="eltwise_param { operation: SUM coeff: 1 coeff: -1 }")
    net.add("Power", "sum", "eltwise_layer", options="power_param { power: 1 scale: 1 shift: 1 }")
    net.add("ReLU", "clip", "sum", top="sum")
    return net.text


def age_gender(classes):
    """Levi and Hassner's net in the older form it was published in."""
    net = Draft('name: "CaffeNet" input: "data" input_dim: 10 input_dim: 3 input_dim: 227 input_dim: 227')
    top = net.conv("conv1", "data", 8, 7, pad=0, more="stride: 4")
    top = net.lrn("norm1", net.pool("pool1", top, 3))
    top = net.lrn("norm2", net.pool("pool2", net.conv("conv2", top, 16, 5), 3))
    top = net.pool("pool5", net.conv("conv3", top, 24), 3)
    for n in (6, 7):
        top = net.product(f"fc{n}", top, 32)
        net.add("ReLU", f"relu{n}", top, top=top)
        net.add("Dropout", f"drop{n}", top, top=top, options="dropout_param { dropout_ratio: 0.5 }")
    net.add("Softmax", "prob", net.product("fc8", top, classes))
    text = net.text.replace("layer {", "layers {").replace(" dilation: 1", "")
    for kind in ("Convolution", "ReLU", "Pooling", "LRN", "InnerProduct", "Dropout", "Softmax"):
        old = {"InnerProduct": "INNER_PRODUCT"}.get(kind, kind.upper())
        text = text.replace(f'type: "{kind}"', f"type: {old}")
    return text


_SSD = ["mbox_loc", "mbox_conf_flatten", "mbox_priorbox"]

# name: (definition, {input: shape given to it}, outputs to compare beside the last)
NETS = {
    "SSD face detector": (face_detector(), {"data": (1, 3, 300, 300)}, _SSD),
    "MobileNet-SSD": (mobilenet_ssd(), {"data": (2, 3, 300, 300)}, _SSD),
    "GOTURN": (goturn(), {"data1": (1, 3, 227, 227), "data2": (1, 3, 227, 227)}, ["pool15", "pool25"]),
    "WeChat QR detect": (wechat_detect(), {"data": (1, 1, 200, 232)}, _SSD),
    "WeChat QR sr": (wechat_super_resolution(), {"data": (1, 1, 31, 26)}, ["nearest", "upsample/rec"]),
    "OpenPose BODY_25": (openpose_body_25(), {"image": (1, 3, 40, 56)}, []),
    "OpenPose COCO": (openpose(38, 19), {"image": (1, 3, 40, 56)}, ["Mconv7_stage3_L1", "Mconv7_stage3_L2"]),
    "OpenPose MPI": (openpose(28, 16), {"image": (1, 3, 40, 56)}, ["Mconv7_stage3_L1", "Mconv7_stage3_L2"]),
    "OpenPose hand": (openpose_hand(), {"image": (1, 3, 40, 40)}, []),
    "colorization": (colorization(), {"data_l": (1, 1, 32, 32)}, ["class8_313_rh"]),
    "AOD-Net": (aod_net(), {"data": (1, 3, 20, 24)}, ["relu5"]),
    "age": (age_gender(8), {"data": (1, 3, 227, 227)}, []),
    "gender": (age_gender(2), {"data": (1, 3, 227, 227)}, []),
}
