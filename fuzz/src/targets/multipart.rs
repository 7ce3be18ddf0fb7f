//! Bodies of parts.

use palisade_data_masking::body::Body;
use palisade_data_masking::body::ContentTypes;
use palisade_data_masking::body::multipart::Multipart;

use super::Target;
use super::bodies::hold;

/// The target.
pub const TARGET: Target = Target {
    name: "multipart",
    words: &[
        "--B",
        "\r\n--B",
        "\r\n--B--",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "--",
        "\r\n--B\r\n\r\n",
        "Content-Disposition: form-data; name=",
        "Content-Type: application/json",
        "Content-Type: image/png",
        "; filename=\"a@b.example\"",
        "secret",
        "name",
        "{\"name\":",
    ],
    run,
};

/// Holds what the bodies of all formats promise.
pub fn run(data: &[u8]) {
    let new = || Body::Multipart(Box::new(Multipart::new(b"B", ContentTypes::default(), false)));
    let _ = hold(new, data);
}
