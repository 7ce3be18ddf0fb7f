//! `palisade pack`, `push`, `pull` and `inspect`, against Debian's registry and against ones that lie.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::house::{House, MODULE, sha256, stderr};
use crate::registry::{Door, PASSWORD, Registry, Script, USER, answer};

/// A house whose dist directory is signed by `a.key`; `b.pub` belongs to another key.
fn signed() -> House {
    let house = House::new();
    for name in ["a", "b"] {
        run(&house, &["keygen", "--secret", &format!("{name}.key"), "--public", &format!("{name}.pub")]);
    }
    run(&house, &["sign", "--dist", "dist", "--secret", "a.key"]);
    house
}

/// What a command prints that does its work.
fn run(house: &House, arguments: &[&str]) -> String {
    let output = palisade(house, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A command that finds no credentials but those of the test.
fn palisade(house: &House, arguments: &[&str]) -> Output {
    house.palisade_with(arguments, &[("DOCKER_CONFIG", "none")])
}

fn push(house: &House, module: &str, image: &str) -> String {
    digest_in(&run(house, &["push", module, image, "--dist", "dist"]))
}

fn digest_in(told: &str) -> String {
    told.trim().rsplit("sha256:").next().unwrap().to_owned()
}

#[track_caller]
fn refused(house: &House, arguments: &[&str], what: &str, code: i32) {
    let output = palisade(house, arguments);
    assert!(stderr(&output).contains(what), "{what}\n{}", stderr(&output));
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
}

#[track_caller]
fn pull_refused(house: &House, image: &str, options: &[&str], what: &str, code: i32) {
    refused(house, &[&["pull", image, "--out", "pulled", "--plain-http"], options].concat(), what, code);
    assert!(!house.path("pulled").exists(), "what is refused leaves nothing behind");
}

/// Copies an image to a registry, and writes down the digest that it has there.
fn skopeo_copy(house: &House, from: &str, to: &str) {
    let output = Command::new("skopeo")
        .args(["copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--insecure-policy"])
        .args([from, &format!("docker://{to}"), "--digestfile"])
        .arg(house.path("digest"))
        .output()
        .expect("skopeo is needed: apt-get install skopeo");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_images_of_a_release_give_its_dist_directory_again() {
    let (house, registry) = (signed(), Registry::open());
    house.render();
    for module in ["probe", "trace-sampler"] {
        let image = registry.image(&format!("{module}:1.2.3"));
        let digest = push(&house, module, &image);
        run(&house, &["pull", &image, "--sha256", &digest, "--key", "a.pub", "--out", "again"]);
    }
    for name in
        ["SHA256SUMS", "SHA256SUMS.minisig", "palisade.lock", "modules/probe.wasm", "modules/trace_sampler.wasm"]
    {
        assert_eq!(fs::read(house.path("again").join(name)).unwrap(), fs::read(house.path("dist").join(name)).unwrap());
    }
    run(&house, &["verify", "dist/envoy/probe.yaml", "--dist", "again", "--key", "a.pub"]);
}

#[test]
fn an_image_has_one_digest_however_often_it_is_pushed_and_skopeo_keeps_it() {
    let (house, registry) = (signed(), Registry::open());
    let packed = digest_in(run(&house, &["pack", "probe", "--dist", "dist"]).trim());
    let (one, other) = (registry.image("one/probe:1"), registry.image("other/probe:1"));
    for image in [&one, &one, &other] {
        assert_eq!(push(&house, "probe", image), packed);
    }
    let copy = registry.image("copy/probe:1");
    for from in [format!("docker://{one}"), format!("oci:{}", house.path("dist/images/probe").display())] {
        skopeo_copy(&house, &from, &copy);
        assert_eq!(house.read("digest"), format!("sha256:{packed}"), "{from}");
        run(&house, &["pull", &copy, "--sha256", &packed, "--out", "copied"]);
    }
}

/// Configs hold such digests: where another one is due for the same files, all of those have to be written anew.
#[test]
fn the_digest_of_an_image_follows_from_its_files_alone() {
    let house = House::new();
    let digest = digest_in(&run(&house, &["pack", "probe", "--dist", "dist"]));
    assert_eq!(digest, "b3814de607f3bf0ecf5a5a4c3f75ba33a1a9e5217b245b70df428a6db587b909");
}

#[test]
fn a_tag_that_was_moved_is_refused_and_the_digest_alone_still_finds_its_image() {
    let (house, registry) = (signed(), Registry::open());
    let image = registry.image("probe:1");
    let digest = push(&house, "probe", &image);
    let lock = house.read("dist/palisade.lock");
    let next = lock.replace("1.2.3", "1.2.4");
    let sums = house.read("dist/SHA256SUMS").replace(&sha256(lock.as_bytes()), &sha256(next.as_bytes()));
    house.write("dist/palisade.lock", next);
    house.write("dist/SHA256SUMS", sums);
    run(&house, &["sign", "--dist", "dist", "--secret", "a.key"]);
    let moved = push(&house, "probe", &image);
    assert_ne!(digest, moved);
    let what = format!("it is sha256:{moved}, not sha256:{digest}; find out who moved its tag");
    pull_refused(&house, &image, &["--sha256", &digest], &what, 40);
    pull_refused(&house, &format!("{image}@sha256:{digest}"), &[], &what, 40);
    let by_digest = format!("{}@sha256:{digest}", registry.image("probe"));
    run(&house, &["pull", &by_digest, "--key", "a.pub", "--out", "pulled"]);
    refused(
        &house,
        &["pull", &image, "--sha256", &moved, "--out", "pulled"],
        "pulled holds modules of another release",
        1,
    );
}

#[test]
fn what_names_no_image_or_another_thing_than_the_image_is_refused() {
    let (house, registry) = (signed(), Registry::open());
    let image = registry.image("probe:1");
    let digest = push(&house, "probe", &image);
    pull_refused(&house, &image, &[], "a tag can be moved to another image", 10);
    pull_refused(&house, &image, &["--sha256", &digest.to_uppercase()], "is not 64 lower-case hex digits", 10);
    pull_refused(&house, &image, &["--sha256", &house.sha256()], "is the module's own hash", 12);
    pull_refused(&house, &registry.image("probe:2"), &["--sha256", &digest], "does not have the image", 47);
    pull_refused(&house, &image, &["--key", "b.pub"], "SHA256SUMS.minisig: by another key", 24);
    refused(&house, &["push", "probe", &registry.image("prober:1"), "--dist", "dist"], "is not called probe", 1);
    refused(&house, &["push", "gate", &registry.image("gate:1"), "--dist", "dist"], "the lock has no module gate", 1);
    refused(&house, &["push", "probe", &image, "--dist", "dist", "--key", "b.pub"], "by another key", 24);
    house.write("dist/modules/probe.wasm", "changed");
    refused(&house, &["push", "probe", &image, "--dist", "dist"], "is not the module of the lock", 22);
}

#[test]
fn an_image_that_nobody_has_signed_needs_a_digest() {
    let (house, registry) = (House::new(), Registry::open());
    run(&house, &["keygen", "--secret", "a.key", "--public", "a.pub"]);
    let image = registry.image("probe:1");
    let digest = push(&house, "probe", &image);
    pull_refused(&house, &image, &["--sha256", &digest, "--key", "a.pub"], "there is no signature", 23);
    run(&house, &["pull", &image, "--sha256", &digest, "--out", "pulled"]);
}

#[test]
fn a_signed_module_in_the_place_of_another_is_refused() {
    let (house, registry) = (signed(), Registry::open());
    let sampler = registry.image("trace-sampler:1");
    push(&house, "trace-sampler", &sampler);
    let probe = registry.image("probe:1");
    skopeo_copy(&house, &format!("docker://{sampler}"), &probe);
    pull_refused(
        &house,
        &probe,
        &["--key", "a.pub"],
        "its module is modules/trace_sampler.wasm, and its repository",
        45,
    );
}

#[test]
fn a_registry_is_told_the_user_by_the_environment_or_by_docker_s_config() {
    let house = signed();
    let registry = Registry::start(Door { wants_password: true, ..Door::default() });
    let image = registry.image("probe:1");
    let push = ["push", "probe", &image, "--dist", "dist"];
    refused(&house, &push, "the registry answers 401 for an upload: log in with `docker login", 46);
    let with = |password: &str| {
        let environment = [("PALISADE_REGISTRY_USERNAME", USER), ("PALISADE_REGISTRY_PASSWORD", password)];
        let output = house.palisade_with(&push, &environment);
        let told = stderr(&output) + &String::from_utf8_lossy(&output.stdout);
        assert!(!told.contains(password), "{told}");
        output.status.code()
    };
    assert_eq!(with("open barley"), Some(46));
    assert_eq!(with(PASSWORD), Some(0));
    let config = json!({"auths": {&registry.address: {"username": USER, "password": PASSWORD}}});
    house.write("docker/config.json", config.to_string());
    let pull = ["pull", &image, "--key", "a.pub", "--out", "pulled"];
    let output = house.palisade_with(&pull, &[("DOCKER_CONFIG", "docker")]);
    assert!(output.status.success(), "{}", stderr(&output));
    let half = house.palisade_with(&push, &[("PALISADE_REGISTRY_USERNAME", USER)]);
    assert!(stderr(&half).contains("belong together"), "{}", stderr(&half));
}

#[test]
fn a_registry_with_tls_is_known_by_its_certificate() {
    let house = signed();
    let registry = Registry::start(Door { speaks_tls: true, ..Door::default() });
    let push = ["push", "probe", &registry.image("probe:1"), "--dist", "dist"];
    let trusting = |file: &str| house.palisade_with(&push, &[("DOCKER_CONFIG", "none"), ("SSL_CERT_FILE", file)]);
    let known = trusting(&registry.certificate());
    assert!(known.status.success(), "{}", stderr(&known));
    let other = Registry::start(Door { speaks_tls: true, ..Door::default() });
    let unknown = trusting(&other.certificate());
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));
}

/// An image in a directory, from the media type of its config and the media types of its layers with their bytes.
fn directory(house: &House, config: &str, layers: &[(&str, Vec<u8>)]) -> String {
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = sha256(bytes);
        house.write(&format!("image/blobs/sha256/{digest}"), bytes);
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    };
    let layers: Vec<_> = layers.iter().map(|(media_type, bytes)| blob(media_type, bytes)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": blob(config, b"{}"), "layers": layers});
    let index = json!({"schemaVersion": 2, "manifests": [blob(MANIFEST, manifest.to_string().as_bytes())]});
    house.write("image/index.json", index.to_string());
    "image".to_owned()
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const RAW_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";

fn inspect(house: &House, image: &str) -> String {
    run(house, &["inspect", image])
}

#[test]
fn inspect_says_who_reads_an_image_and_why_others_cannot() {
    let house = signed();
    let module = || wat::parse_str(MODULE).unwrap();
    let digest = digest_in(&run(&house, &["pack", "probe", "--dist", "dist"]));
    let told = inspect(&house, "dist/images/probe");
    assert!(told.contains(&format!("manifest  sha256:{digest}")), "{told}");
    assert!(told.contains(&format!("sha256 {}, {} bytes, layout compat", house.sha256(), module().len())), "{told}");
    assert!(told.contains("Istio, Envoy Gateway: yes\n  docker, skopeo: yes\n"), "{told}");
    assert!(
        told.contains("wkg, wasmCloud, Spin: no, the config is application/vnd.oci.image.config.v1+json"),
        "{told}"
    );

    let alone = inspect(&house, &directory(&house, CONFIG, &[(RAW_LAYER, module())]));
    assert!(alone.contains("Istio, Envoy Gateway: no, with application/vnd.module.wasm.content.layer.v1+wasm they want two layers, and there are 1"), "{alone}");
    let two = inspect(&house, &directory(&house, CONFIG, &[(RAW_LAYER, module()), ("text/plain", b"a".to_vec())]));
    assert!(two.contains("layout oci\n  Istio, Envoy Gateway: yes\n  docker, skopeo: no, the layer"), "{two}");
    let wasm = "application/vnd.wasm.config.v0+json";
    let cncf = inspect(&house, &directory(&house, wasm, &[("application/wasm", module())]));
    assert!(cncf.contains("Istio, Envoy Gateway: no, the last layer is application/wasm, not"), "{cncf}");
    assert!(cncf.contains("wkg, wasmCloud, Spin: yes"), "{cncf}");
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    let component =
        inspect(&house, &directory(&house, CONFIG, &[(RAW_LAYER, component), ("text/plain", b"a".to_vec())]));
    assert!(component.contains("Istio, Envoy Gateway: no, it is a component"), "{component}");
}

#[test]
fn an_image_gives_no_commands_to_the_terminal() {
    let house = signed();
    let image = directory(&house, CONFIG, &[("text/\u{1b}[2J", b"a".to_vec())]);
    let told = inspect(&house, &image);
    assert!(told.contains("the last layer is text/\u{fffd}[2J, not"), "{told}");
    let error = stderr(&house.palisade(&["pull", "registry.example/a\u{1b}[2J:1", "--out", "pulled"]));
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[test]
fn a_changed_byte_anywhere_in_a_directory_is_refused() {
    let house = signed();
    run(&house, &["pack", "probe", "--dist", "dist"]);
    let index: Value = serde_json::from_str(&house.read("dist/images/probe/index.json")).unwrap();
    let manifest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let blobs = house.path("dist/images/probe/blobs/sha256");
    let layers: Value = serde_json::from_slice(&fs::read(blobs.join(&manifest)).unwrap()).unwrap();
    let last = layers["layers"][1]["digest"].as_str().unwrap().replace("sha256:", "");
    for name in [manifest, last] {
        let (path, bytes) = (blobs.join(&name), fs::read(blobs.join(&name)).unwrap());
        for place in (0..bytes.len()).step_by(bytes.len() / 10) {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            fs::write(&path, changed).unwrap();
            refused(&house, &["inspect", "dist/images/probe"], "is something else", 41);
        }
        fs::write(&path, bytes).unwrap();
    }
    inspect(&house, "dist/images/probe");
}

/// A registry that serves the image `probe` of a directory, each answer as `change` leaves it.
fn serving(directory: &Path, change: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> (Script, String) {
    let index: Value = serde_json::from_slice(&fs::read(directory.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let (blobs, manifest) = (directory.join("blobs/sha256"), digest.clone());
    let script = Script::start(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        let name = if path.contains("/manifests/") { &manifest } else { path.rsplit(':').next().unwrap() };
        change(path, answer("200 OK", "", &fs::read(blobs.join(name)).unwrap_or_default()))
    });
    (script, digest)
}

#[test]
fn a_registry_that_sends_other_bytes_or_too_many_is_refused() {
    let house = signed();
    run(&house, &["pack", "probe", "--dist", "dist"]);
    let images = house.path("dist/images/probe");
    let flip = |path: &str, mut answer: Vec<u8>| {
        if path.contains("/blobs/") {
            *answer.last_mut().unwrap() ^= 1;
        }
        answer
    };
    let (registry, digest) = serving(&images, flip);
    pull_refused(&house, &format!("{}/probe:1", registry.address), &["--sha256", &digest], "is something else", 41);
    let lengthen = |path: &str, honest: Vec<u8>| {
        if path.contains("/blobs/") { answer("200 OK", "", &vec![0; 1 << 20]) } else { honest }
    };
    let (registry, digest) = serving(&images, lengthen);
    pull_refused(&house, &format!("{}/probe:1", registry.address), &["--sha256", &digest], "sends more than the", 42);
    let endless = |_: &str, _: Vec<u8>| answer("200 OK", "", &vec![b' '; 5 << 20]);
    let (registry, digest) = serving(&images, endless);
    pull_refused(&house, &format!("{}/probe:1", registry.address), &["--sha256", &digest], "more than the 4194304", 42);
    let huge = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": format!("sha256:{digest}"), "size": 1_u64 << 40});
    let huge = json!({"schemaVersion": 2, "config": huge, "layers": [huge]}).to_string();
    let (asked, manifest) = (sha256(huge.as_bytes()), huge);
    let (registry, _) = serving(&images, move |_, _| answer("200 OK", "", manifest.as_bytes()));
    pull_refused(
        &house,
        &format!("{}/probe:1", registry.address),
        &["--sha256", &asked],
        "1099511627776 bytes long",
        42,
    );
    let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let asked = sha256(index.as_bytes());
    let (registry, _) = serving(&images, move |_, _| answer("200 OK", "", index.as_bytes()));
    pull_refused(&house, &format!("{}/probe:1", registry.address), &["--sha256", &asked], "is an index", 44);
    let (registry, _) = serving(&images, |_, _| answer("200 OK", "", br#"{"layers": [], "manifests": []}"#));
    pull_refused(
        &house,
        &format!("{}/probe:1", registry.address),
        &["--sha256", &asked],
        "neither an image's nor an index",
        43,
    );
}

#[test]
fn a_token_is_got_with_the_password_which_nobody_else_is_told() {
    let house = signed();
    run(&house, &["pack", "probe", "--dist", "dist"]);
    // Docker Hub's sends the token under both of its names.
    let token = br#"{"token": "of-the-service", "access_token": "of-the-service", "expires_in": 300}"#;
    let service = Script::start(|_| answer("200 OK", "", token));
    let storage_blobs = house.path("dist/images/probe/blobs/sha256");
    let storage = Script::start(move |head| {
        let digest = head.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        answer("200 OK", "", &fs::read(storage_blobs.join(digest)).unwrap())
    });
    let index: Value = serde_json::from_str(&house.read("dist/images/probe/index.json")).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let manifest = fs::read(house.path("dist/images/probe/blobs/sha256").join(&digest)).unwrap();
    let (realm, store) = (service.address.clone(), storage.address.clone());
    let registry = Script::start(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        if !head.contains("Bearer of-the-service") {
            let challenge = format!(
                "www-authenticate: Bearer realm=\"http://{realm}/token\",service=\"a registry\",scope=\"repository:probe:pull\"\r\n"
            );
            return answer("401 Unauthorized", &challenge, b"");
        }
        match path.split_once("/blobs/sha256:") {
            Some((_, blob)) => answer("307 Temporary Redirect", &format!("location: http://{store}/{blob}\r\n"), b""),
            None => answer("200 OK", "", &manifest),
        }
    });
    let image = format!("{}/probe:1", registry.address);
    let environment = [("PALISADE_REGISTRY_USERNAME", USER), ("PALISADE_REGISTRY_PASSWORD", PASSWORD)];
    let arguments = ["pull", &image, "--sha256", &digest, "--out", "pulled", "--plain-http"];
    let output = house.palisade_with(&arguments, &environment);
    assert!(output.status.success(), "{}", stderr(&output));
    let asked = service.heads();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].contains("scope=repository%3aprobe%3apull") && asked[0].contains("authorization: basic"),
        "{asked:?}"
    );
    for head in storage.heads() {
        assert!(!head.contains("authorization"), "{head}");
    }
    assert!(registry.heads().iter().all(|head| !head.contains("basic")));
    assert_eq!(storage.heads().len(), 2, "both layers");
}

#[test]
fn who_answers_where_a_registry_redirects_to_is_told_no_password() {
    let house = signed();
    run(&house, &["pack", "probe", "--dist", "dist"]);
    let stranger = Arc::new(OnceLock::new());
    let own: Arc<OnceLock<String>> = Arc::clone(&stranger);
    let storage = Script::start(move |_| {
        let challenge = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", own.get().unwrap());
        answer("401 Unauthorized", &challenge, br#"{"token": "a"}"#)
    });
    stranger.set(storage.address.clone()).unwrap();
    let store = storage.address.clone();
    let redirect = move |path: &str, honest: Vec<u8>| match path.split_once("/blobs/") {
        Some((_, blob)) => answer("307 Temporary Redirect", &format!("location: http://{store}/{blob}\r\n"), b""),
        None => honest,
    };
    let (registry, digest) = serving(&house.path("dist/images/probe"), redirect);
    let environment = [("PALISADE_REGISTRY_USERNAME", USER), ("PALISADE_REGISTRY_PASSWORD", PASSWORD)];
    let image = format!("{}/probe:1", registry.address);
    let pull = ["pull", &image, "--sha256", &digest, "--out", "pulled", "--plain-http"];
    let output = house.palisade_with(&pull, &environment);
    assert_eq!(output.status.code(), Some(46), "{}", stderr(&output));
    let heads = storage.heads();
    assert!(!heads.is_empty() && heads.iter().all(|head| !head.contains("authorization")), "{heads:?}");
}

#[test]
fn an_image_without_tag_and_digest_is_none() {
    let (house, registry) = (signed(), Registry::open());
    let image = registry.image("probe");
    let what = format!("`{image}` is no image: write registry/repository:tag");
    refused(&house, &["push", "probe", &image, "--dist", "dist"], &what, 1);
    pull_refused(&house, &image, &["--sha256", &"d".repeat(64)], &what, 1);
    push(&house, "probe", &format!("{image}:latest"));
}

#[test]
fn a_helper_that_knows_no_password_leaves_the_user_a_stranger() {
    let (house, registry) = (signed(), Registry::open());
    let helper = house.path("bin/docker-credential-empty");
    house.write(
        "bin/docker-credential-empty",
        "#!/bin/sh\ncat >/dev/null\necho credentials not found in native keychain\nexit 1\n",
    );
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    house.write("docker/config.json", json!({"credsStore": "empty"}).to_string());
    let path = format!("{}:{}", house.path("bin").display(), std::env::var("PATH").unwrap());
    let push = ["push", "probe", &registry.image("probe:1"), "--dist", "dist"];
    let output = house.palisade_with(&push, &[("DOCKER_CONFIG", "docker"), ("PATH", &path)]);
    assert!(output.status.success(), "{}", stderr(&output));
    house.write("bin/docker-credential-empty", "#!/bin/sh\ncat >/dev/null\necho the keychain is locked\nexit 1\n");
    let output = house.palisade_with(&push, &[("DOCKER_CONFIG", "docker"), ("PATH", &path)]);
    assert!(stderr(&output).contains("credential helper docker-credential-empty failed"), "{}", stderr(&output));
}

#[test]
fn inspect_refuses_another_image_than_the_one_of_the_digest() {
    let house = signed();
    run(&house, &["pack", "probe", "--dist", "dist"]);
    let (registry, digest) = serving(&house.path("dist/images/probe"), |_, honest| honest);
    let image = |digest: &str| format!("{}/probe@sha256:{digest}", registry.address);
    assert!(inspect(&house, &image(&digest)).contains("layout compat"));
    let what = format!("it is sha256:{digest}, not sha256:{}", "d".repeat(64));
    refused(&house, &["inspect", &image(&"d".repeat(64))], &what, 40);
}

#[test]
fn of_an_image_of_many_layers_the_first_and_the_last_are_read() {
    let house = signed();
    let digest = digest_in(&run(&house, &["pack", "probe", "--dist", "dist"]));
    let blobs = house.path("dist/images/probe/blobs/sha256");
    let mut manifest: Value = serde_json::from_slice(&fs::read(blobs.join(digest)).unwrap()).unwrap();
    let layers = manifest["layers"].as_array_mut().unwrap();
    // One that nobody can read, in the place of one that fills the memory.
    let mut between = layers[0].clone();
    between["digest"] = format!("sha256:{}", "d".repeat(64)).into();
    layers.insert(1, between);
    let manifest = manifest.to_string();
    let digest = sha256(manifest.as_bytes());
    let (registry, _) = serving(&house.path("dist/images/probe"), move |path, honest| {
        if path.contains("/manifests/") { answer("200 OK", "", manifest.as_bytes()) } else { honest }
    });
    let image = format!("{}/probe:1", registry.address);
    run(&house, &["pull", &image, "--sha256", &digest, "--key", "a.pub", "--out", "pulled"]);
    assert!(house.path("pulled/palisade.lock").is_file());
}
