//! The layers of an image: tar archives, packed with gzip, without anything of the time or the machine.

use std::io::{self, Read as _, Write as _};

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use tar::{Archive, Builder, EntryType, Header, PaxExtensions};

use crate::hash::sha256;

/// How long an unpacked layer may be, in bytes: a hundred times a module.
pub(crate) const MAX_UNPACKED: u64 = 64 << 20;

/// A layer.
pub(crate) struct Layer {
    /// The SHA-256 of the archive before it was packed, by which a config names the layer.
    pub(crate) unpacked_sha256: String,
    pub(crate) packed: Vec<u8>,
}

/// A file of an archive.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// Packs files in the order in which they are given.
pub(crate) fn pack(files: &[File]) -> Result<Layer> {
    let mut archive = Builder::new(Vec::new());
    for file in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(u64::try_from(file.bytes.len())?);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, &file.path, file.bytes.as_slice())?;
    }
    let archive = archive.into_inner()?;
    let mut packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    packer.write_all(&archive)?;
    Ok(Layer { unpacked_sha256: sha256(&archive), packed: packer.finish()? })
}

/// The files of a layer, as Go's libraries read them, which the proxies use: of a packed layer all parts.
///
/// # Errors
///
/// What is no such archive, one that is longer than [`MAX_UNPACKED`], and one that Go's libraries read otherwise.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<File>> {
    let mut archive = Vec::new();
    let read = MultiGzDecoder::new(packed).take(MAX_UNPACKED.saturating_add(1)).read_to_end(&mut archive);
    read.context("it is not packed with gzip")?;
    ensure!(u64::try_from(archive.len())? <= MAX_UNPACKED, "unpacked it is longer than {MAX_UNPACKED} bytes");
    ensure_unambiguous(&archive)?;
    let mut files = Vec::new();
    for entry in Archive::new(archive.as_slice()).entries()? {
        files.push(read_entry(entry).context("it is no tar archive")?);
    }
    Ok(files)
}

/// Refuses what Go's library reads otherwise than the one here, so that nobody shows one module here and another to a proxy: names
/// and sizes that stand beside the header, of sparse files too, contents of what has none, over which Go does not step, and
/// names that stand in the prefix alone, which Go reads in more kinds of headers.
fn ensure_unambiguous(archive: &[u8]) -> Result<()> {
    for entry in Archive::new(archive).entries()?.raw(true) {
        let mut entry = entry.context("it is no tar archive")?;
        let is_clear = match entry.header().entry_type() {
            // A zero is the old format's, in which a name that ends with a slash is a directory's.
            EntryType::Regular => entry.header().as_old().linkflag != [0],
            EntryType::Directory | EntryType::Symlink | EntryType::Link => entry.size() == 0,
            EntryType::XHeader => {
                let mut records = Vec::new();
                entry.read_to_end(&mut records)?;
                PaxExtensions::new(&records).all(|record| record.is_ok_and(|record| is_known_alike(record.key_bytes())))
            }
            _ => false,
        };
        let name = entry.header().as_old().name;
        let is_named = name.iter().take_while(|byte| **byte != 0).any(|byte| *byte != b'/');
        ensure!(is_clear && is_named, "`{}` in it can be read in more than one way", entry.path()?.display());
    }
    Ok(())
}

fn is_known_alike(pax_key: &[u8]) -> bool {
    !matches!(pax_key, b"path" | b"size") && !pax_key.starts_with(b"GNU.sparse.")
}

fn read_entry(entry: io::Result<tar::Entry<'_, &[u8]>>) -> Result<File> {
    let mut entry = entry?;
    let path = entry.path()?.to_string_lossy().into_owned();
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(File { path, bytes })
}

impl File {
    pub(crate) fn new(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes }
    }

    /// The last part of its path, as Go has it: of `plugin.wasm/.` it is the point.
    pub(crate) fn name(&self) -> &str {
        self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_again() {
        let files = || vec![File::new("sboms/a.cdx.json", vec![1; 700]), File::new("plugin.wasm", Vec::new())];
        assert_eq!(unpack(&pack(&files()).unwrap().packed).unwrap(), files());
    }

    #[test]
    fn a_layer_holds_nothing_of_the_time_or_the_machine() {
        let layer = pack(&[File::new("plugin.wasm", vec![7])]).unwrap();
        assert_eq!(layer.packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255], "no name, no time, no system");
        let archive = archive_of(&layer.packed);
        assert_eq!(sha256(&archive), layer.unpacked_sha256);
        let fields = [&archive[108..116], &archive[116..124], &archive[136..148]].map(String::from_utf8_lossy);
        assert_eq!(fields.map(|field| field.trim_matches(['0', '\0']).to_owned()), ["", "", ""], "uid, gid, mtime");
    }

    #[test]
    fn a_layer_that_grows_without_end_is_refused_before_it_fills_the_memory() {
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..=MAX_UNPACKED >> 20 {
            packer.write_all(&zeros).unwrap();
        }
        let error = unpack(&packer.finish().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "unpacked it is longer than 67108864 bytes");
    }

    #[test]
    fn what_is_no_packed_archive_is_an_error() {
        assert!(unpack(b"\0asm").is_err());
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::fast());
        packer.write_all(&[7; 600]).unwrap();
        assert!(unpack(&packer.finish().unwrap()).is_err());
        let layer = pack(&[File::new("plugin.wasm", vec![1; 2000])]).unwrap();
        assert!(unpack(&layer.packed[..layer.packed.len() - 9]).is_err());
    }

    #[test]
    fn a_layer_of_several_packed_parts_is_read_whole_as_go_reads_it() {
        let [first, second] = [pack(&[]).unwrap().packed, pack(&[File::new("plugin.wasm", vec![7])]).unwrap().packed];
        // Two blocks of zeros end an archive, so that what follows is not read: by Go neither.
        assert_eq!(unpack(&[first, second.clone()].concat()).unwrap(), []);
        let (head, tail) = (&archive_of(&second)[..512], &archive_of(&second)[512..]);
        let parts = [head, tail].map(|part| {
            let mut packer = GzBuilder::new().write(Vec::new(), Compression::fast());
            packer.write_all(part).unwrap();
            packer.finish().unwrap()
        });
        assert_eq!(unpack(&parts.concat()).unwrap(), [File::new("plugin.wasm", vec![7])]);
    }

    /// An entry of this type, path and content.
    fn entry(kind: u8, path: &str, content: &'static [u8]) -> (Header, &'static [u8]) {
        let mut header = Header::new_gnu();
        header.as_old_mut().linkflag = [kind];
        header.set_path(path).unwrap();
        header.set_size(content.len().try_into().unwrap());
        (header, content)
    }

    /// Why an archive of these entries is refused.
    fn refusal(entries: &[(Header, &[u8])]) -> Option<String> {
        let mut archive = Builder::new(Vec::new());
        for (header, content) in entries {
            let mut header = header.clone();
            header.set_cksum();
            archive.append(&header, *content).unwrap();
        }
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::fast());
        packer.write_all(&archive.into_inner().unwrap()).unwrap();
        unpack(&packer.finish().unwrap()).err().map(|error| error.to_string())
    }

    #[test]
    fn an_archive_in_which_a_proxy_could_find_another_module_is_refused() {
        let plugin = || entry(b'0', "plugin.wasm", b"module");
        for (kind, path, content) in
            [(b'5', "etc/", &b""[..]), (b'5', "./", b""), (b'2', "link", b""), (b'x', "plugin.wasm", b"11 mtime=1\n")]
        {
            assert_eq!(refusal(&[entry(kind, path, content), plugin()]), None, "what Docker adds: {kind} {path}");
        }
        for (kind, path, content) in [
            (b'2', "link", &[b'h'; 512][..]),
            (b'5', "etc/", b"a header"),
            (0, "etc/", b"a header"),
            (b'x', "sparse", b"31 GNU.sparse.name=plugin.wasm\n"),
            (b'x', "long", b"20 path=plugin.wasm\n"),
            (b'x', "size", b"10 size=9\n"),
            (b'x', "broken", b"a record"),
            (b'g', "all", b"20 path=plugin.wasm\n"),
            (b'L', "long", b"plugin.wasm\0more"),
            (b'S', "sparse", b""),
        ] {
            let what = refusal(&[entry(kind, path, content), plugin()]).unwrap_or_default();
            assert!(what.contains("in more than one way"), "{kind} {path}: {what}");
        }
        for (magic, trailer) in
            [(b"ustar\x0000", [0; 4]), (b"ustar\x0001", [0; 4]), (b"ustar  \0", [0; 4]), (b"ustar\x0000", *b"tar\0")]
        {
            for name in ["", "/"] {
                let (mut header, content) = entry(b'0', "plugin.wasm", b"another");
                header.as_old_mut().name = [0; 100];
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                let bytes = header.as_mut_bytes();
                bytes[257..265].copy_from_slice(magic);
                bytes[345..356].copy_from_slice(b"plugin.wasm");
                bytes[508..].copy_from_slice(&trailer);
                let what = refusal(&[(header, content), plugin()]).unwrap_or_default();
                assert!(what.contains("in more than one way"), "a prefix alone, {magic:?} {trailer:?}: {what}");
            }
        }
    }

    #[test]
    fn the_name_of_a_file_is_go_s() {
        for (path, name) in
            [("plugin.wasm", "plugin.wasm"), ("./a/plugin.wasm/", "plugin.wasm"), ("plugin.wasm/.", "."), ("/", "")]
        {
            assert_eq!(File::new(path, Vec::new()).name(), name, "{path}");
        }
    }

    fn archive_of(packed: &[u8]) -> Vec<u8> {
        let mut archive = Vec::new();
        MultiGzDecoder::new(packed).read_to_end(&mut archive).unwrap();
        archive
    }
}
