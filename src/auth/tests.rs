//! The check of one head.

use super::*;
use crate::hooks::Hooks;
use crate::limits::Limits;

const SECRET: &str = "0123456789abcdef";

fn auth(options: &Options) -> Arc<Auth> {
    Auth::new(&Env::new(Limits::default()), options)
}

fn key(name: &str, secret: &str) -> Key {
    Key::new(name, secret).unwrap()
}

/// What is known at once.
fn at_once(checked: Checked) -> std::result::Result<Peer, Denial> {
    match checked {
        Checked::Now(checked) => checked,
        Checked::Later(_) => panic!("the host was asked"),
    }
}

/// The principal that a request with this key has.
fn check(auth: &Auth, secret: Option<&str>) -> std::result::Result<Option<String>, Denial> {
    let field = secret.map(|secret| format!("X-API-Key: {secret}")).unwrap_or_default();
    let head = Head::of(&format!("GET / HTTP/1.1\nHost: h\n{field}"));
    let checked = at_once(auth.check(Some(&head), &Peer::at("test".into(), false)));
    checked.map(|peer| peer.principal.map(|name| name.to_string()))
}

#[test]
fn without_keys_everybody_comes_in_unless_they_are_required() {
    let open = auth(&Options::default());
    assert_eq!(check(&open, None), Ok(None));
    assert_eq!(check(&open, Some(SECRET)), Ok(None), "a key means nothing then");
    let closed = auth(&Options { keys_required: true, ..Options::default() });
    assert_eq!(check(&closed, None), Err(Denial::Missing));
    assert_eq!(check(&closed, Some(SECRET)), Err(Denial::Unknown));
}

#[test]
fn a_door_that_was_closed_stays_closed() {
    let auth = auth(&Options::default());
    auth.set(Vec::new()).unwrap();
    assert_eq!(check(&auth, None), Ok(None), "no key was ever there");
    auth.add(key("ann", SECRET)).unwrap();
    assert_eq!(check(&auth, Some(SECRET)), Ok(Some("ann".into())));
    auth.set(Vec::new()).unwrap();
    assert_eq!(check(&auth, Some(SECRET)), Err(Denial::Unknown));
    assert_eq!(check(&auth, None), Err(Denial::Missing));
}

#[test]
fn one_secret_is_for_one_key() {
    let auth = auth(&Options::default());
    auth.add(key("ann", SECRET)).unwrap();
    assert!(matches!(auth.add(key("bob", SECRET)), Err(Error::Exists(_))));
    assert!(auth.set(vec![key("bob", SECRET), key("cid", SECRET)]).is_err());
    assert_eq!(check(&auth, Some(SECRET)), Ok(Some("ann".into())), "nothing has changed");
}

#[test]
fn what_the_host_says_counts_more_than_a_key() {
    let auth = auth(&Options { keys_required: true, ..Options::default() });
    let head = Head::of("GET / HTTP/1.1\nHost: h\nX-API-Key: wrong");
    let peer = Peer { principal: Some("bob".into()), ..Peer::at("test".into(), false) };
    assert!(at_once(auth.check(Some(&head), &peer)).is_ok());
    assert!(at_once(auth.check(None, &peer)).is_ok());
    assert_eq!(
        at_once(auth.check(None, &Peer::at("test".into(), false))).err(),
        Some(Denial::Missing)
    );
}

#[test]
fn what_the_host_grants_to_nobody_in_particular_stays_narrow() {
    let scopes = Scopes::parse("a").unwrap();
    let peer = Peer { scopes: scopes.clone(), ..Peer::at("test".into(), true) };
    let head = Head::of("GET / HTTP/1.1\nHost: h");
    let open = auth(&Options::default());
    assert_eq!(at_once(open.check(Some(&head), &peer)).unwrap().scopes, scopes);
    let options = Options { keys_required: true, trust_unix: true, ..Options::default() };
    assert_eq!(at_once(auth(&options).check(Some(&head), &peer)).unwrap().scopes, scopes);
}

#[test]
fn a_certificate_names_its_holder_and_is_a_key_only_where_it_says_so() {
    let auth = auth(&Options::default());
    let head = |field: &str| Head::of(&format!("GET / HTTP/1.1\nHost: h\n{field}"));
    let with = |instead_of_key: Option<&str>| {
        let instead_of_key = instead_of_key.map(|list| Scopes::parse(list).unwrap());
        let certificate = ClientCertificate { principal: "cert:a".into(), instead_of_key };
        Peer { certificate: Some(Arc::new(certificate)), ..Peer::at("test".into(), false) }
    };
    let check = |field: &str, peer: &Peer| {
        let checked = at_once(auth.check(Some(&head(field)), peer))?;
        Ok((checked.principal.unwrap().to_string(), checked.scopes.as_str().to_owned()))
    };
    let named = |name: &str, scopes: &str| Ok((name.to_owned(), scopes.to_owned()));
    assert_eq!(check("", &with(None)), named("cert:a", "*"));
    auth.add(key("ann", SECRET)).unwrap();
    assert_eq!(check("", &with(None)), Err(Denial::Missing));
    assert_eq!(check("", &with(Some("x"))), named("cert:a", "x"));
    let right = format!("X-API-Key: {SECRET}");
    assert_eq!(check(&right, &with(Some("x"))), named("ann", ""));
    assert_eq!(check("X-API-Key: wrong", &with(Some("x"))), Err(Denial::Unknown));
}

#[test]
fn a_trusted_socket_needs_no_key_but_no_wrong_one_either() {
    let unix = Peer::at("unix".into(), true);
    let silent = Head::of("GET / HTTP/1.1\nHost: h");
    let wrong = Head::of("GET / HTTP/1.1\nHost: h\nX-API-Key: wrong");
    for trust_unix in [false, true] {
        let auth = auth(&Options { keys_required: true, trust_unix, ..Options::default() });
        assert_eq!(at_once(auth.check(Some(&silent), &unix)).is_ok(), trust_unix);
        assert_eq!(at_once(auth.check(Some(&wrong), &unix)).err(), Some(Denial::Unknown));
        assert!(at_once(auth.check(Some(&silent), &Peer::at("1.2.3.4:5".into(), false))).is_err());
    }
}

#[test]
fn refusals_are_counted_by_their_reason() {
    let auth = auth(&Options::default());
    auth.add(key("old", SECRET).expires("2001-01-01T00:00:00Z").unwrap()).unwrap();
    assert_eq!(check(&auth, Some(SECRET)), Err(Denial::Expired));
    assert_eq!(check(&auth, Some("x")), Err(Denial::Unknown));
    assert_eq!(check(&auth, None), Err(Denial::Missing));
    let stats = auth.env.counters.snapshot();
    assert_eq!((stats.auth_expired, stats.auth_refused, stats.auth_missing), (1, 1, 1));
}

#[test]
fn the_log_names_address_and_key_once_a_second_for_each_machine() {
    let auth = auth(&Options::default());
    let old = key("old", SECRET).expires("2001-01-01T00:00:00Z").unwrap();
    auth.add(old).unwrap();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = lines.clone();
    let hooks = Hooks {
        log: Some(Box::new(move |_, part, text| lock(&log).push(format!("{part}: {text}")))),
        ..Hooks::default()
    };
    assert!(auth.env.hooks.set(hooks));
    let head = Head::of(&format!("GET / HTTP/1.1\nHost: h\nX-API-Key: {SECRET}"));
    for address in ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "10.0.0.1:3"] {
        let peer = Peer::at(address.into(), false);
        assert!(at_once(auth.check(Some(&head), &peer)).is_err());
    }
    let expected = ["10.0.0.1:1", "10.0.0.2:1"]
        .map(|from| format!("auth: {from}: refused, expired key \"old\""));
    assert_eq!(*lock(&lines), expected);
}

/// The clock of the machine may be set forward while nothing comes in.
#[test]
fn a_channel_whose_key_ends_in_years_is_looked_at_every_minute() {
    struct Open;
    impl Channel for Open {
        fn end(&self) {}
    }
    let env = Env::new(Limits::default());
    let auth = Auth::new(&env, &Options::default());
    let key = key("ann", SECRET).expires("2200-01-01T00:00:00Z").unwrap();
    let channel: Arc<dyn Channel> = Arc::new(Open);
    auth.watch(&key.pass(), Arc::downgrade(&channel));
    let ticking = std::pin::pin!(env.clock.clone().run());
    async_io::block_on(futures_lite::future::poll_once(ticking));
    assert!(env.clock.rest().is_some_and(|rest| rest < 2 * LOOK_TIME));
}
