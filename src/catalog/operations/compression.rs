//! The `config` object of `/v2/pdf/compress`.

use crate::catalog::{Param, ParamKind};

/// Resolution of one class of images.
const DOWNSAMPLE: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave the resolution as it is.").default("false"),
    Param::new(
        "downsample_ppi",
        ParamKind::Integer { min: 1, max: 10_000 },
        "Resolution to reduce to; 150, monochrome 300.",
    ),
    Param::new(
        "threshold_ppi",
        ParamKind::Integer { min: 1, max: 10_000 },
        "Reduce only above this; 225, monochrome 450.",
    ),
];

/// Compression of one class of images.
const COMPRESSION: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave the compression as it is.").default("false"),
    Param::new("compression_format", ParamKind::Suggested(&["jpeg", "ccitt_g4"]), "`jpeg`; monochrome `ccitt_g4`."),
    Param::new(
        "compression_params",
        ParamKind::Object(&[
            Param::new("quality", ParamKind::Integer { min: 1, max: 100 }, "JPEG quality.").default("60")
        ]),
        "Settings of the format.",
    ),
];

/// What happens to one class of images.
const IMAGE_CLASS: &[Param] = &[
    Param::new("skip", ParamKind::Boolean, "Leave these images alone.").default("false"),
    Param::new("downsample", ParamKind::Object(DOWNSAMPLE), "Resolution."),
    Param::new("compression", ParamKind::Object(COMPRESSION), "Compression."),
];

/// The `config` object of `/v2/pdf/compress`.
pub(super) const COMPRESS_CONFIG: &[Param] = &[
    Param::new(
        "images",
        ParamKind::Object(&[
            Param::new("color", ParamKind::Object(IMAGE_CLASS), "Color images."),
            Param::new("grayscale", ParamKind::Object(IMAGE_CLASS), "Gray images."),
            Param::new("monochrome", ParamKind::Object(IMAGE_CLASS), "Black and white images."),
        ]),
        "Images by class.",
    ),
    Param::new(
        "save",
        ParamKind::Object(&[Param::new(
            "garbage",
            ParamKind::Integer { min: 0, max: 4 },
            "Level of removing unused objects.",
        )
        .default("4")]),
        "Clean-up of the file.",
    ),
];
