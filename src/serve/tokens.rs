//! The bearer token of the server, and what guessing it costs.
//!
//! The right token is always let in, whatever was guessed before. Wrong ones are counted per address over all routes:
//! after a few they are answered late, after many they are refused for the rest of the minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use parking_lot::{Mutex, MutexGuard};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// Fewest characters of a token: what is shorter can be guessed.
pub const TOKEN_CHARS_MIN: usize = 32;
/// Wrong tokens count for this long.
const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tokens of one address that are answered at once.
const FREE: u32 = 5;
/// Wrong tokens of one address, after which the rest of the minute is refused.
const WRONG_MAX: u32 = 30;
/// How late a wrong token is answered after the free ones.
const DELAY: Duration = Duration::from_secs(1);
/// Answers that are held back at once; more are refused without a delay.
const DELAYED_MAX: usize = 64;
/// Addresses that are remembered; one more forgets the one that guessed longest ago.
const ADDRESSES_MAX: usize = 1_024;
/// How often one address is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What a request showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The right token, or none is asked for.
    Granted,
    /// No token at all.
    Missing,
    /// A wrong token, to be answered after this long.
    Wrong(Duration),
    /// A wrong token after too many others; the address may guess again after this long.
    Refused(Duration),
}

/// The token, and who guessed it wrong.
pub struct Tokens {
    token: Option<SecretString>,
    guesses: Mutex<HashMap<IpAddr, Guesses>>,
    delayed: tokio::sync::Semaphore,
}

struct Guesses {
    since: Instant,
    last: Instant,
    wrong: u32,
    logged: Option<Instant>,
}

impl Tokens {
    /// A server that asks for `token`, or for none.
    ///
    /// # Errors
    /// `invalid_argument` for a token that is too short.
    pub fn new(token: Option<SecretString>) -> Result<Tokens> {
        if let Some(token) = &token
            && token.expose_secret().chars().count() < TOKEN_CHARS_MIN
        {
            return Err(Error::invalid(
                format!("PDFCO_HTTP_TOKEN has fewer than {TOKEN_CHARS_MIN} characters: it could be guessed."),
                "Make one with `openssl rand -hex 32`.",
            ));
        }
        Ok(Tokens { token, guesses: Mutex::default(), delayed: tokio::sync::Semaphore::new(DELAYED_MAX) })
    }

    /// Whether a token is asked for.
    pub fn is_required(&self) -> bool {
        self.token.is_some()
    }

    /// Judges the `Authorization` of a request from `peer`.
    pub fn judge(&self, headers: &HeaderMap, peer: IpAddr, now: Instant) -> Verdict {
        if self.token.is_none() {
            return Verdict::Granted;
        }
        match bearer(headers) {
            Some(given) => self.judge_word(given, peer, now),
            None => Verdict::Missing,
        }
    }

    /// Judges a word that a requester at `peer` gave as the token.
    pub fn judge_word(&self, given: &str, peer: IpAddr, now: Instant) -> Verdict {
        let Some(token) = &self.token else { return Verdict::Granted };
        // In constant time: how much of a guess is right must not show in how long the answer takes.
        if bool::from(given.trim().as_bytes().ct_eq(token.expose_secret().as_bytes())) {
            return Verdict::Granted;
        }
        self.count_wrong(peer, now)
    }

    /// Holds a wrong answer back, unless many are held back already.
    pub async fn delay(&self, by: Duration) {
        if by.is_zero() {
            return;
        }
        if let Ok(_permit) = self.delayed.try_acquire() {
            tokio::time::sleep(by).await;
        }
    }

    fn guesses(&self) -> MutexGuard<'_, HashMap<IpAddr, Guesses>> {
        self.guesses.lock()
    }

    /// Counts a wrong token of any kind that came from `peer`.
    pub fn count_wrong(&self, peer: IpAddr, now: Instant) -> Verdict {
        let mut all = self.guesses();
        let address = network(peer);
        if !all.contains_key(&address) && all.len() >= ADDRESSES_MAX {
            let oldest = all.iter().min_by_key(|(_, guesses)| guesses.last).map(|(address, _)| *address);
            oldest.map(|oldest| all.remove(&oldest));
        }
        let guesses = all.entry(address).or_insert(Guesses { since: now, last: now, wrong: 0, logged: None });
        if now.saturating_duration_since(guesses.since) >= WINDOW {
            (guesses.since, guesses.wrong) = (now, 0);
        }
        guesses.last = now;
        guesses.wrong = guesses.wrong.saturating_add(1);
        if guesses.logged.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
            guesses.logged = Some(now);
            tracing::warn!(%peer, wrong_tokens = guesses.wrong, "wrong token");
        }
        match guesses.wrong {
            wrong if wrong > WRONG_MAX => {
                Verdict::Refused(WINDOW.saturating_sub(now.saturating_duration_since(guesses.since)))
            }
            wrong if wrong > FREE => Verdict::Wrong(DELAY),
            _ => Verdict::Wrong(Duration::ZERO),
        }
    }
}

/// The word after `Bearer`, if there is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, word) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(word)
}

/// What one guesser can change freely counts as one address: the lower half of IPv6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const TOKEN: &str = "a-token-of-enough-characters-to-start";

    fn tokens() -> Tokens {
        Tokens::new(Some(SecretString::from(TOKEN))).unwrap()
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn short_tokens_are_refused_at_start() {
        let error = Tokens::new(Some(SecretString::from("open sesame"))).err().unwrap();
        assert!(error.message().contains("PDFCO_HTTP_TOKEN") && error.message().contains("32"), "{error}");
        assert!(!Tokens::new(None).unwrap().is_required());
    }

    #[test]
    fn the_right_token_is_let_in_after_any_number_of_wrong_ones() {
        let (tokens, now) = (tokens(), Instant::now());
        for _ in 0..100 {
            assert_ne!(tokens.judge_word("wrong", peer("10.0.0.1"), now), Verdict::Granted);
        }
        assert_eq!(tokens.judge_word(TOKEN, peer("10.0.0.1"), now), Verdict::Granted);
    }

    #[test]
    fn wrong_tokens_are_slowed_down_per_address() {
        let (tokens, now) = (tokens(), Instant::now());
        let verdicts: Vec<Verdict> =
            (0..WRONG_MAX + 1).map(|_| tokens.judge_word("wrong", peer("2001:db8::1"), now)).collect();
        assert_eq!(verdicts[0], Verdict::Wrong(Duration::ZERO));
        assert_eq!(
            verdicts[FREE as usize - 1..=FREE as usize],
            [Verdict::Wrong(Duration::ZERO), Verdict::Wrong(DELAY)]
        );
        assert_eq!(verdicts[WRONG_MAX as usize - 1], Verdict::Wrong(DELAY));
        assert_eq!(verdicts[WRONG_MAX as usize], Verdict::Refused(WINDOW));
        // The same network counts together, another address by itself.
        assert!(matches!(tokens.judge_word("wrong", peer("2001:db8::2"), now), Verdict::Refused(_)));
        for other in ["10.0.0.2", "2001:db8:0:1::1", "2001:db9::1"] {
            assert_eq!(tokens.judge_word("wrong", peer(other), now), Verdict::Wrong(Duration::ZERO), "{other}");
        }
        assert_eq!(tokens.judge_word("wrong", peer("2001:db8::1"), now + WINDOW), Verdict::Wrong(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_answers_are_held_back_and_no_more() {
        let (tokens, began) = (Arc::new(tokens()), tokio::time::Instant::now());
        assert!(tokens.is_required());
        tokens.delay(Duration::ZERO).await;
        assert!(began.elapsed().is_zero());
        let held: Vec<_> = (0..DELAYED_MAX)
            .map(|_| {
                let tokens = Arc::clone(&tokens);
                tokio::spawn(async move { tokens.delay(DELAY).await })
            })
            .collect();
        while tokens.delayed.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        tokens.delay(DELAY).await;
        assert!(began.elapsed().is_zero(), "one more is answered at once");
        for held in held {
            held.await.unwrap();
        }
        assert!(began.elapsed() >= DELAY);
    }

    #[test]
    fn the_number_of_remembered_addresses_is_bounded() {
        let (tokens, now) = (tokens(), Instant::now());
        for number in 0..5_000_u32 {
            tokens.judge_word("wrong", IpAddr::V4(number.into()), now);
        }
        assert_eq!(tokens.guesses().len(), ADDRESSES_MAX);
    }

    #[test]
    fn a_request_without_a_token_is_no_guess() {
        let (tokens, now, mut headers) = (tokens(), Instant::now(), HeaderMap::new());
        for _ in 0..100 {
            assert_eq!(tokens.judge(&headers, peer("10.0.0.1"), now), Verdict::Missing);
        }
        headers.insert(header::AUTHORIZATION, format!("bearer {TOKEN}").parse().unwrap());
        assert_eq!(tokens.judge(&headers, peer("10.0.0.1"), now), Verdict::Granted);
        headers.insert(header::AUTHORIZATION, "Basic x".parse().unwrap());
        assert_eq!(tokens.judge(&headers, peer("10.0.0.1"), now), Verdict::Missing);
    }
}
