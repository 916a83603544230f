use super::*;
use crate::limits::Limits;

const TEXT: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn env() -> Arc<Env> {
    Env::new(Limits { body_bytes: 1000, ..Limits::default() })
}

fn deflated(early: Vec<u8>, env: &Arc<Env>) -> Box<Deflated> {
    let terms = Terms::choose(["permessage-deflate"].into_iter()).unwrap();
    Agreed { terms, is_eager: false, codec: Arc::default() }.start(early, env)
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

/// What the reader of the frames is given for a compressed message.
fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_be_bytes();
    [&[0x80 | opcode, 0xff], &length[..], &[0; 4], payload].concat()
}

fn packed(text: &[u8]) -> Vec<u8> {
    // Too short for the codec to find it worth while: one block without compression.
    let length = u16::try_from(text.len()).unwrap();
    [&[0], &length.to_le_bytes()[..], &(!length).to_le_bytes(), text, &[0]].concat()
}

/// Everything that is read of `pieces`, and how it ends.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Fault>) {
    let env = env();
    let mut deflated = deflated(Vec::new(), &env);
    let (mut out, mut buffer) = (Vec::new(), [0; 7]);
    for piece in pieces {
        deflated.feed(piece);
        loop {
            match deflated.take(&mut buffer) {
                Ok(0) => break,
                Ok(length) => out.extend(&buffer[..length]),
                Err(fault) => return (out, Some(fault)),
            }
        }
    }
    assert_eq!(env.counters.held_bytes.value(), 0);
    (out, None)
}

#[track_caller]
fn check(frames: &[Vec<u8>], expected: &[Vec<u8>], fault: Option<Fault>) {
    let (bytes, expected) = (frames.concat(), (expected.concat(), fault));
    assert_eq!(read([&bytes[..]].into_iter()), expected);
    assert_eq!(read(bytes.chunks(1)), expected);
    for at in 0..=bytes.len() {
        let (front, back) = bytes.split_at(at);
        assert_eq!(read([front, back].into_iter()), expected, "split at {at}");
    }
}

#[test]
fn messages_of_both_kinds_take_turns() {
    let long = b"0123456789".repeat(20);
    let frames = [
        frame(0x81, TEXT),
        frame(0xc1, &packed(TEXT)),
        frame(0x01, b"a"),
        frame(0x89, b"in between"),
        frame(0x80, b""),
        frame(0xc2, &packed(&long)),
        frame(0xc1, &packed(b"")),
        frame(0x82, &long),
        frame(0x88, &[3, 232]),
    ];
    let mut expected = frames.clone();
    expected[1] = plain(1, TEXT);
    expected[5] = plain(2, &long);
    expected[6] = plain(1, b"");
    check(&frames, &expected, None);
}

#[test]
fn control_frames_overtake_the_message_that_they_are_inside() {
    let packed = packed(TEXT);
    let (ping, pong) = (frame(0x89, b"are you there"), frame(0x8a, b""));
    let frames = [
        frame(0x41, &packed[..3]),
        ping.clone(),
        frame(0x00, b""),
        frame(0x00, &packed[3..40]),
        pong.clone(),
        frame(0x80, &packed[40..]),
        frame(0x81, b"{}"),
    ];
    check(&frames, &[ping, pong, plain(1, TEXT), frame(0x81, b"{}")], None);
}

#[test]
fn what_breaks_the_rules_of_compressed_messages_ends_the_connection() {
    let (ping, hello) = (frame(0x89, b"?"), packed(b"Hello"));
    let unmasked = [&[0xc1, u8::try_from(hello.len()).unwrap()], &hello[..]].concat();
    for (frames, fault) in [
        // The bit is in the first frame of a message alone.
        (vec![frame(0xc9, b"")], Fault::Protocol),
        (vec![frame(0xc8, b"")], Fault::Protocol),
        (vec![frame(0xc3, b"")], Fault::Protocol),
        (vec![frame(0xc0, b"")], Fault::Protocol),
        (vec![frame(0x41, b""), frame(0xc0, b"")], Fault::Protocol),
        // Messages are not interleaved.
        (vec![frame(0x41, b""), frame(0x81, b"{}")], Fault::Protocol),
        (vec![frame(0x41, b""), frame(0xc1, b"")], Fault::Protocol),
        // Other reserved bits, no mask.
        (vec![frame(0xe1, &hello)], Fault::Protocol),
        (vec![frame(0xd1, &hello)], Fault::Protocol),
        (vec![unmasked], Fault::Protocol),
        // No DEFLATE; too long before and after.
        (vec![frame(0xc1, &[0xff; 9])], Fault::BadData),
        (vec![frame(0x41, &[0; 600]), frame(0x80, &[0; 401])], Fault::TooLarge),
        (vec![frame(0xc1, &packed(&[7; 600])), frame(0xc1, &[0x4b, 0x04])], Fault::BadData),
    ] {
        let first = &frames[0];
        let is_message = first.len() > 600 && first[0] == 0xc1;
        let mut expected = vec![ping.clone()];
        expected.extend(is_message.then(|| plain(1, &[7; 600])));
        check(&[std::slice::from_ref(&ping), &frames].concat(), &expected, Some(fault));
    }
    // The bit inside a plain message.
    let begun = frame(0x01, b"a");
    check(&[begun.clone(), frame(0xc1, &hello)], &[begun], Some(Fault::Protocol));
    // A length of 2^63 and more.
    let endless = vec![0xc1, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    check(&[endless], &[], Some(Fault::TooLarge));
}

#[test]
fn a_bomb_ends_at_the_limit_and_is_counted() {
    let env = env();
    let codec = Codec::default();
    let bomb = codec.deflate(&vec![b' '; 100_000], 15, 100_000).unwrap();
    let mut deflated = deflated(frame(0xc1, &bomb), &env);
    assert_eq!(deflated.take(&mut [0; 100]), Err(Fault::TooLarge));
    assert_eq!(env.counters.inflations_refused.value(), 1);
    assert_eq!(env.counters.held_bytes.value(), 0);
}

#[test]
fn what_is_inflated_counts_as_held_until_it_is_read() {
    let env = Env::new(Limits { held_bytes: 700, body_bytes: 700, ..Limits::default() });
    let early = [frame(0xc1, &packed(&[b'a'; 600])), frame(0xc1, &packed(&[b'b'; 600]))].concat();
    let mut deflated = deflated(early, &env);
    let mut buffer = [0; 1000];
    // One message at a time, though both have come.
    assert_eq!(deflated.take(&mut buffer[..1]), Ok(1));
    assert_eq!(env.counters.held_bytes.value(), 614);
    let mut other = super::tests::deflated(frame(0xc1, &packed(&[b'c'; 600])), &env);
    assert_eq!(other.take(&mut buffer), Err(Fault::Crowded));
    assert_eq!(deflated.take(&mut buffer), Ok(613));
    assert_eq!(deflated.take(&mut buffer), Ok(614));
    assert_eq!(deflated.take(&mut buffer), Ok(0));
    assert_eq!(env.counters.held_bytes.value(), 0);
    assert_eq!(env.counters.messages_inflated.value(), 3);
}

#[test]
fn long_messages_go_out_compressed_if_that_helps() {
    let env = env();
    let deflated = deflated(Vec::new(), &env);
    let long = "abc".repeat(WORTH_IT_BYTES);
    for message in
        [Message::text("abc"), Message::binary(b"abc".to_vec()), Message::Ping("a".into())]
    {
        assert_eq!(deflated.packed(message.clone()), message);
    }
    for (message, kind) in [
        (Message::text(long.clone()), Data::Text),
        (Message::binary(long.clone().into_bytes()), Data::Binary),
    ] {
        let Message::Frame(frame) = deflated.packed(message) else { panic!("not compressed") };
        let header = frame.header();
        assert!(header.is_final && header.rsv1 && !header.rsv2 && !header.rsv3);
        assert_eq!((header.opcode, header.mask), (OpCode::Data(kind), None));
        assert!(frame.payload().len() < 100);
    }
    assert_eq!(env.counters.messages_deflated.value(), 2);
}

#[test]
fn nothing_is_agreed_on_unless_it_is_on_and_offered() {
    let head = |field: &str| Head::of(&format!("GET /mcp HTTP/1.1\nHost: a\n{field}"));
    let offer = head("Sec-WebSocket-Extensions: x, permessage-deflate; client_max_window_bits");
    let (compression, env) = (Compression::default(), env());
    assert!(compression.agree(&offer).is_none());
    compression.set(true, &env).unwrap();
    let agreed = compression.agree(&offer).unwrap();
    let answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(agreed.header(), answer);
    assert!(compression.agree(&head("")).is_none());
    compression.set(false, &env).unwrap();
    assert!(compression.agree(&offer).is_none());
}
