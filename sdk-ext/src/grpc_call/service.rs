//! Service: where the host sends a gRPC call, in the form that it reads.

use crate::protobuf::{put_bytes, put_number};

/// An `envoy.config.core.v3.GrpcService` with the fields `envoy_grpc.cluster_name` and
/// `envoy_grpc.max_receive_message_length`.
///
/// Envoy takes the cluster's name alone as well, but only where its bytes are no such message: with a name like `h2` or
/// `auth-grpc`, which are, Envoy's whole process ends ("panic: unset oneof").
pub(crate) fn encode(cluster: &str, max_message: usize) -> Vec<u8> {
    let (mut limit, mut envoy, mut service) = (Vec::new(), Vec::new(), Vec::new());
    put_number(&mut limit, 1, u64::try_from(max_message).unwrap_or(u64::MAX));
    put_bytes(&mut envoy, 1, cluster.as_bytes());
    put_bytes(&mut envoy, 4, &limit);
    put_bytes(&mut service, 1, &envoy);
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_names_its_cluster_and_the_longest_message() {
        assert_eq!(encode("h2", 1), b"\x0A\x08\x0A\x02h2\x22\x02\x08\x01");
        assert_eq!(encode("", 300), b"\x0A\x07\x0A\x00\x22\x03\x08\xAC\x02");
    }
}
