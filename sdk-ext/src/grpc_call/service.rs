//! Service: where the host sends a gRPC call, in the form that it reads.

/// An `envoy.config.core.v3.GrpcService` with the fields `envoy_grpc.cluster_name` and
/// `envoy_grpc.max_receive_message_length`.
///
/// Envoy takes the cluster's name alone as well, but only where its bytes are no such message: with a name like `h2` or
/// `auth-grpc`, which are, Envoy's whole process ends ("panic: unset oneof").
pub(crate) fn encode(cluster: &str, max_message: usize) -> Vec<u8> {
    let limit = [vec![0x08], varint(max_message)].concat();
    field(0x0A, &[field(0x0A, cluster.as_bytes()), field(0x22, &limit)].concat())
}

/// A field of which the tag says that a length stands before its content.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], varint(content.len()).as_slice(), content].concat()
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            bytes.push(low & 0x7F);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_names_its_cluster_and_the_longest_message() {
        assert_eq!(encode("h2", 1), b"\x0A\x08\x0A\x02h2\x22\x02\x08\x01");
        assert_eq!(encode("", 300), b"\x0A\x07\x0A\x00\x22\x03\x08\xAC\x02");
    }

    #[test]
    fn a_number_is_as_long_as_it_must_be() {
        assert_eq!(varint(0), [0]);
        assert_eq!(varint(0x7F), [0x7F]);
        assert_eq!(varint(0x80), [0x80, 0x01]);
        assert_eq!(varint(u32::MAX as usize), [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]);
    }
}
