use super::{
    digest::score,
    listpack::{intset, listpack, signed},
    lzf::unpack,
    tail::Tail,
    walk::contents,
};
use longshore_base::Code;
use std::{io::Read, process::Command};

#[test]
fn scores_are_written_as_c_does() {
    let mut numbers =
        vec![0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e17, 12_345_678_901_234_567.0, 1e-4, 1e-5, 5e-324, f64::MAX, f64::MIN_POSITIVE];
    let mut state = 1_u64;
    for _ in 0..2_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.push(f64::from_bits(state));
        numbers.push((state >> 40) as f64 / 1000.0);
    }
    numbers.retain(|number| number.is_finite());
    let bits: Vec<String> = numbers.iter().map(|number| number.to_bits().to_string()).collect();
    let script = "import struct,sys\nfor b in sys.stdin.read().split(): print('%.17g' % struct.unpack('<d', struct.pack('<Q', int(b)))[0])";
    let mut python = Command::new("python3");
    python.args(["-I", "-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = python.spawn().expect("python3");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), bits.join(" ").as_bytes()).expect("written");
    let theirs = String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text");
    let ours: Vec<String> = numbers.iter().map(|number| score(*number)).collect();
    assert_eq!(ours, theirs.lines().collect::<Vec<_>>());
    assert_eq!((score(f64::INFINITY), score(f64::NEG_INFINITY)), ("inf".into(), "-inf".into()));
}

#[test]
fn listpacks_are_read() {
    let mut bytes = vec![0; 6];
    bytes.extend([5, 1]); // 5
    bytes.extend([0x83, b'a', b'b', b'c', 4]); // "abc"
    bytes.extend([0xdf, 0xff, 2]); // -1 in 13 bits
    bytes.extend([0xf1, 0x00, 0x80, 3]); // -32768
    bytes.extend([0xf4, 1, 0, 0, 0, 0, 0, 0, 0, 9]); // 1 in 64 bits
    bytes.extend([0xe0, 200]);
    bytes.extend([b'x'; 200]);
    bytes.extend([1, 0x4a]); // two bytes of length behind it
    bytes.push(255);
    let found = listpack(&bytes).expect("a listpack");
    assert_eq!(found, [b"5".to_vec(), b"abc".to_vec(), b"-1".to_vec(), b"-32768".to_vec(), b"1".to_vec(), vec![b'x'; 200]]);
    assert!(listpack(&bytes[..bytes.len() - 1]).is_err(), "without its end");
    assert!(listpack(&[]).is_err());
    assert_eq!(signed(&[0xff, 0xff, 0x7f]), 8_388_607);
    assert_eq!(intset(&[2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 7, 0]).expect("a set"), [b"-1".to_vec(), b"7".to_vec()]);
    assert!(intset(&[2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 7, 0]).is_err(), "a number is missing");
}

#[test]
fn lzf_is_unpacked() {
    // "abc", then nine bytes from three back.
    assert_eq!(unpack(&[2, b'a', b'b', b'c', 0xe0, 0, 2], 12).expect("a text"), b"abcabcabcabc");
    assert_eq!(unpack(&[2, b'a', b'b', b'c', 0xe0, 0, 2], 11), None, "longer than it says");
    assert_eq!(unpack(&[0x20, 5], 3), None, "from before its beginning");
    assert_eq!(unpack(&[5, b'a'], 6), None, "cut");
}

#[test]
fn the_mark_behind_the_data_is_left_out() {
    let file = [b"REDIS0010".to_vec(), vec![7; 100_000], vec![255], b"8 bytes!".to_vec()].concat();
    let read = |bytes: &[u8]| {
        let mut out = Vec::new();
        Tail::new(bytes).read_to_end(&mut out).expect("memory");
        out
    };
    assert!(read(&file) == file);
    assert!(read(&[&file[..], &b"0123456789abcdef0123456789abcdef01234567"[..]].concat()) == file);
    assert_eq!(read(b"short"), b"short");
}

#[test]
fn what_is_not_whole_or_not_known_is_told() {
    let told = |bytes: &[u8]| contents(&mut { bytes });
    let empty = told(b"REDIS0010\xff12345678").expect("an empty file");
    assert_eq!((empty.tables.len(), empty.digest.as_deref()), (0, Some("0000000000000000000000000000000000000000")));
    for cut in [&b""[..], b"REDIS", b"REDIS0010", b"REDIS0010\xff1234", b"NOTREDIS0\xff12345678"] {
        assert_eq!(told(cut).unwrap_err().code(), Code::BackupSource, "{cut:?}");
    }
    let newer = told(b"REDIS0099\xfe\x00\x63\x01kdata that nobody knows").expect("a file of a newer server");
    assert!(newer.digest.is_none() && newer.unknown.is_some_and(|why| why.contains("99")));
}
