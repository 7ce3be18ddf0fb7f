//! Another configuration while Envoy serves: what was used up stays used up.

use palisade_testbed::envoy::Update;
use palisade_testbed::{Request, http1};
use serde_json::{Value, json};

use crate::mesh::{Mesh, by};

fn limits(per_user: u64, others: Value) -> Value {
    let mut limits = vec![json!({
        "name": "per-user", "key": [{"header": "x-user"}], "rate": format!("{per_user}/1d"),
    })];
    limits.extend(others.as_array().unwrap().clone());
    json!({"limits": limits})
}

fn another() -> Value {
    json!([{"name": "another", "match": {"path": {"exact": "/another"}}, "key": [{"header": "x-user"}], "rate": "1/1d"}])
}

/// Catches an update that gives every client a new budget, which anybody who can make one could use.
#[test]
fn an_update_that_leaves_a_limit_as_it_is_keeps_what_was_used() {
    let mut mesh = Mesh::with(&limits(2, json!([])));
    assert_eq!([(); 3].map(|()| mesh.status("alice")), [200, 200, 429]);
    assert_eq!(mesh.status("bob"), 200);
    for others in [another(), json!([]), another()] {
        assert_eq!(mesh.update(&limits(2, others)), Update::Accepted);
        assert_eq!(mesh.status("alice"), 429);
    }
    assert_eq!([(); 2].map(|()| mesh.status("bob")), [200, 429]);
    mesh.assert_unharmed();
}

#[test]
fn a_limit_that_is_changed_holds_at_once_and_the_way_back_works() {
    let mut mesh = Mesh::with(&limits(2, json!([])));
    assert_eq!([(); 3].map(|()| mesh.status("alice")), [200, 200, 429]);
    assert_eq!(mesh.update(&limits(1, json!([]))), Update::Accepted);
    assert_eq!([(); 2].map(|()| mesh.status("carol")), [200, 429]);
    assert_eq!(mesh.update(&limits(2, json!([]))), Update::Accepted);
    assert_eq!(mesh.status("alice"), 429);
    mesh.assert_unharmed();
}

/// Old connections keep the old configuration; both count what the other takes.
#[test]
fn two_configurations_in_force_share_what_was_used() {
    let mut mesh = Mesh::with(&limits(4, json!([])));
    let mut old = http1::Connection::open(mesh.addr()).unwrap();
    let mut status = |request: &Request| old.exchange(request).unwrap().status;
    assert_eq!(status(&by("alice")), 200);
    assert_eq!(mesh.update(&limits(4, another())), Update::Accepted);
    assert_eq!(mesh.status("alice"), 200);
    assert_eq!(status(&by("alice")), 200);
    assert_eq!(mesh.status("alice"), 200);
    assert_eq!([status(&by("alice")), mesh.status("alice")], [429, 429]);
    mesh.assert_unharmed();
}
