//! Compressed WebSocket messages (RFC 7692): what is agreed on, both directions, bombs and faults.

mod peer;

use peer::*;

const OFFER: (&str, &str) =
    ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

/// What the server has agreed to when the client has made `offer`.
fn agreed(host: &Host, offer: &[(&str, &str)]) -> Option<String> {
    let head = Ws::connect_with(host, offer).0;
    head.header("sec-websocket-extensions").map(str::to_owned)
}

#[test]
fn it_is_off_unless_the_host_turns_it_on() {
    let host = host();
    assert_eq!(agreed(&host, &[OFFER]), None);
    let (_, mut ws) = Ws::connect_with(&host, &[OFFER]);
    ws.frame(FIN | COMPRESSED | TEXT, b"");
    ws.assert_closes(1002);
    assert!(host.server.set_websocket_compression(false).is_ok());
}

#[cfg(not(feature = "deflate"))]
#[test]
fn a_build_without_it_says_so() {
    use std::sync::{Arc, Mutex};

    use emcp::{Hooks, Identity, Limits, Options, Server};

    let identity = Identity { name: "a".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, Options::default(), Limits::default()).unwrap();
    let lines = Arc::new(Mutex::new(String::new()));
    let log = lines.clone();
    let log = move |_, _: &str, text: &str| log.lock().unwrap().push_str(text);
    server.set_hooks(Hooks { log: Some(Box::new(log)), ..Hooks::default() }).unwrap();
    let error = server.set_websocket_compression(true).unwrap_err();
    assert!(error.to_string().contains("FEATURES=deflate"), "{error}");
    assert!(lines.lock().unwrap().contains("FEATURES=deflate"));
}

#[cfg(feature = "deflate")]
mod built_in {
    use emcp::{Limits, Options, Stats};
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
    use serde_json::{Value, json};

    use super::*;

    fn compressing(limits: Limits) -> Host {
        let host = host_with(Options::default(), limits);
        host.server.set_websocket_compression(true).unwrap();
        host
    }

    fn stats(host: &Host) -> Stats {
        host.server.stats()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(text.len() + 100);
        let mut compress = Compress::new(Compression::best(), false);
        compress.compress_vec(text, &mut packed, FlushCompress::Sync).unwrap();
        assert_eq!(packed.split_off(packed.len() - 4), [0, 0, 0xff, 0xff]);
        packed
    }

    fn inflate(packed: &[u8], window_bits: u8) -> Value {
        let mut plain = Vec::with_capacity(1 << 20);
        let packed = [packed, &[0, 0, 0xff, 0xff]].concat();
        let mut decompress = Decompress::new_with_window_bits(false, window_bits);
        decompress.decompress_vec(&packed, &mut plain, FlushDecompress::Sync).unwrap();
        assert_eq!(decompress.total_in(), packed.len() as u64);
        parse(plain)
    }

    fn send(ws: &mut Ws, text: &str) {
        ws.frame(FIN | COMPRESSED | TEXT, &deflate(text.as_bytes()));
    }

    /// The next message, and whether it came compressed.
    fn receive(ws: &mut Ws) -> (bool, Value) {
        let (is_compressed, opcode, payload) = ws.next_either();
        assert_eq!(opcode, TEXT);
        match is_compressed {
            true => (true, inflate(&payload, 15)),
            false => (false, parse(payload)),
        }
    }

    fn connect(host: &Host) -> Ws {
        let (head, ws) = Ws::connect_with(host, &[OFFER]);
        assert!(head.header("sec-websocket-extensions").is_some());
        ws
    }

    fn echo(text: &str) -> Value {
        json!({"name": "echo", "arguments": {"text": text}})
    }

    fn still_serves(host: &Host) {
        let mut ws = Ws::connect(host);
        ws.send(&request("1", "ping", &json!({})));
        assert_eq!(ws.json()["id"], 1);
    }

    #[test]
    fn an_offer_is_answered_and_nothing_without_one() {
        let host = compressing(limits());
        let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let offer = |value| [("Sec-WebSocket-Extensions", value)];
        assert_eq!(agreed(&host, &[OFFER]).as_deref(), Some(plain));
        assert_eq!(agreed(&host, &[]), None);
        assert_eq!(agreed(&host, &offer("permessage-deflate; unknown")), None);
        assert_eq!(agreed(&host, &offer("permessage-bzip2")), None);
        let narrow = offer(
            "permessage-deflate;server_max_window_bits=8, permessage-deflate; server_max_window_bits=9",
        );
        assert_eq!(agreed(&host, &narrow), Some(format!("{plain}; server_max_window_bits=9")));
        // In two fields, as a list may be.
        let two = [offer("x")[0], OFFER];
        assert_eq!(agreed(&host, &two).as_deref(), Some(plain));
        // Who has not offered sees no bit of it.
        let mut ws = Ws::open(&host, NEWEST);
        assert_eq!(ws.ask("1", "tools/call", &echo(&"x".repeat(9000)))["id"], 1);
        ws.frame(FIN | COMPRESSED | TEXT, b"");
        ws.assert_closes(1002);
        host.server.set_websocket_compression(false).unwrap();
        assert_eq!(agreed(&host, &[OFFER]), None);
    }

    #[test]
    fn an_upgrade_that_the_host_has_parsed_is_answered_likewise() {
        let host = compressing(limits());
        let headers = [&handshake()[..], &[OFFER]].concat();
        let head = pull::Parsed::new("GET", &headers, "").whole(&host.server).head;
        let agreed = head.headers.iter().find(|(name, _)| name == "sec-websocket-extensions");
        assert!(agreed.unwrap().1.starts_with("permessage-deflate; "));
    }

    #[test]
    fn messages_of_both_eras_are_read_and_written() {
        let host = compressing(limits());
        let mut ws = connect(&host);
        let long = "measured ".repeat(1000);
        send(&mut ws, &initialize("0", NEWEST));
        assert_eq!(receive(&mut ws).1["id"], 0);
        send(&mut ws, &notification("notifications/initialized", &json!({})));
        for (id, params) in [("1", echo(&long)), ("2", claim(echo(&long)))] {
            send(&mut ws, &request(id, "tools/call", &params));
            let (is_compressed, answer) = receive(&mut ws);
            assert!(is_compressed);
            assert_eq!(text_of(&answer), params["arguments"].to_string());
        }
        // Plain messages and short answers go on as they are.
        ws.send(&request("3", "ping", &json!({})));
        assert_eq!(receive(&mut ws), (false, json!({"jsonrpc": "2.0", "id": 3, "result": {}})));
        let stats = stats(&host);
        assert_eq!(stats.messages_inflated, 4);
        assert!(stats.messages_deflated >= 2 && stats.bytes_out < 5000, "{}", stats.bytes_out);
        assert_eq!((stats.held_bytes, stats.inflations_refused), (0, 0));
    }

    #[test]
    fn a_client_with_a_small_window_can_read_the_answers() {
        let host = compressing(limits());
        for bits in 9..=15 {
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            let (_, mut ws) = Ws::connect_with(&host, &[("Sec-WebSocket-Extensions", &offer)]);
            let text: String = (0..4000).map(|n| format!("{} ", n * n % 977)).collect();
            send(&mut ws, &request("1", "tools/call", &claim(echo(&text))));
            let (is_compressed, _, payload) = ws.next_either();
            assert!(is_compressed);
            assert_eq!(text_of(&inflate(&payload, bits)), json!({ "text": text }).to_string());
        }
    }

    #[test]
    fn a_message_may_come_in_many_frames_with_pings_between_and_byte_by_byte() {
        let host = compressing(limits());
        let mut ws = connect(&host);
        let packed = deflate(request("1", "ping", &json!({"text": "\u{e4}\u{1f600}"})).as_bytes());
        ws.frame(COMPRESSED | TEXT, &packed[..5]);
        ws.frame(FIN | PING, b"are you there");
        assert_eq!(ws.next_frame(), (PONG, b"are you there".to_vec()));
        ws.frame(CONTINUATION, b"");
        for byte in &packed[5..] {
            ws.frame(CONTINUATION, &[*byte]);
        }
        ws.frame(FIN | CONTINUATION, b"");
        assert_eq!(ws.text(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
        let mut frame = vec![FIN | COMPRESSED | TEXT, 0x80 | packed.len() as u8, 0, 0, 0, 0];
        frame.extend(&packed);
        frame.iter().for_each(|byte| ws.raw(&[*byte]));
        assert_eq!(ws.json()["id"], 1);
        // Hundreds in one write.
        ws.raw(&frame.repeat(300));
        (0..300).for_each(|_| assert_eq!(ws.json()["id"], 1));
    }

    #[test]
    fn a_frame_may_arrive_with_the_handshake() {
        let host = compressing(limits());
        let packed = deflate(request("1", "ping", &json!({})).as_bytes());
        let fields: String =
            handshake().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: localhost\r\n{fields}{}: {}\r\n\r\n",
            OFFER.0, OFFER.1
        );
        let mut bytes = head.into_bytes();
        bytes.extend([FIN | COMPRESSED | TEXT, 0x80 | packed.len() as u8, 0, 0, 0, 0]);
        bytes.extend(&packed);
        let mut http = host.http();
        http.write(&bytes);
        assert_eq!(http.head().status, 101);
        assert_eq!(Ws::over(http).json()["id"], 1);
    }

    #[test]
    fn a_bomb_is_1009_and_counted() {
        let host = compressing(limits());
        for bytes in [1 << 20, 20 << 20] {
            let bomb = deflate(&vec![b' '; bytes + 1]);
            let mut ws = connect(&host);
            ws.frame(FIN | COMPRESSED | TEXT, &bomb[..bomb.len().min(1 << 20)]);
            ws.assert_closes(1009);
        }
        // Just within: it is no JSON, and that is all.
        let mut ws = connect(&host);
        ws.frame(FIN | COMPRESSED | TEXT, &deflate(&vec![b' '; 1 << 20]));
        assert_error(&receive(&mut ws).1, Value::Null, -32700);
        // Too much before it is inflated.
        ws.frame(COMPRESSED | TEXT, &vec![0; 1 << 20]);
        ws.frame(CONTINUATION, &[0]);
        ws.assert_closes(1009);
        let stats = stats(&host);
        assert_eq!((stats.inflations_refused, stats.held_bytes), (3, 0));
        still_serves(&host);
    }

    #[test]
    fn what_cannot_be_read_ends_the_connection() {
        let host = compressing(limits());
        let text = deflate(b"{}");
        let not_utf8 = deflate(b"\"\xff\"");
        for (frames, code) in [
            (vec![(FIN | COMPRESSED | TEXT, &[0xff; 20][..])], 1007),
            (vec![(FIN | COMPRESSED | TEXT, &not_utf8)], 1007),
            (vec![(FIN | COMPRESSED | BINARY, &text)], 1003),
            (vec![(FIN | COMPRESSED | PING, b"")], 1002),
            (vec![(FIN | COMPRESSED | CLOSE, b"")], 1002),
            (vec![(COMPRESSED | TEXT, &text), (FIN | COMPRESSED | CONTINUATION, b"")], 1002),
            (vec![(COMPRESSED | TEXT, &text), (FIN | TEXT, b"{}")], 1002),
            (vec![(TEXT, b"{"), (FIN | COMPRESSED | TEXT, &text)], 1002),
            (vec![(FIN | COMPRESSED | 0x20 | TEXT, &text)], 1002),
            (vec![(FIN | 0x20 | TEXT, b"{}")], 1002),
        ] {
            let mut ws = connect(&host);
            frames.iter().for_each(|(first, payload)| ws.frame(*first, payload));
            ws.assert_closes(code);
        }
        still_serves(&host);
    }
}
