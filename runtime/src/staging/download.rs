//! One download over HTTP: goes on where an earlier one ended, if the server still has the same bytes, and tries
//! again when a connection breaks. Used by the provisioner alone.

use std::io::{self, Read};

use pool_manager_core::StageError;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, Version, header};
use ureq::{Agent, Body};

use super::partial::{Origin, Partial, room_for};
use super::{Digest, Failure, Fault, Pace, Wanted, Watch};

/// Fetches the model into its place, and returns its digest if one is stated. The disk, not the network, is
/// the place where a model waits: nothing is buffered beyond one read.
pub(super) fn download(
    agent: &Agent,
    pace: &Pace,
    wanted: &Wanted,
    url: &str,
    partial: Partial,
    watch: &dyn Watch,
) -> Result<Option<Digest>, Failure> {
    let mut download = Download { agent, wanted, url, partial, watch };
    let fetched = download.fetch(pace).and_then(|()| download.check().map_err(Failure::Fault));
    if let Err(failure) = fetched {
        download.partial.remove_if_empty();
        return Err(failure);
    }
    let digest = download.partial.digest();
    download.partial.finish()?;
    Ok(digest)
}

struct Download<'a> {
    agent: &'a Agent,
    wanted: &'a Wanted,
    url: &'a str,
    partial: Partial,
    watch: &'a dyn Watch,
}

/// An attempt that did not bring the rest.
enum Broken {
    /// Trying again is of no use.
    ForGood(Failure),
    /// The connection or the server failed; the HTTP status, or 0.
    ForNow(u16, String),
    /// No byte came for a while.
    Silent(String),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self::ForGood(Failure::Fault(fault))
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::ForGood(failure)
    }
}

impl Download<'_> {
    fn fetch(&mut self, pace: &Pace) -> Result<(), Failure> {
        let (mut failures, mut pause) = (0, pace.pause);
        loop {
            let before = self.partial.length();
            let broken = match self.attempt() {
                Ok(()) => return Ok(()),
                Err(broken) => broken,
            };
            let gained = self.partial.length() > before;
            if gained {
                (failures, pause) = (0, pace.pause);
            }
            let why = match broken {
                Broken::ForGood(failure) => return Err(failure),
                Broken::Silent(why) => why,
                Broken::ForNow(status, why) if failures >= pace.failures => {
                    return Err(self.fault(StageError::Fetch(status), &why).into());
                }
                Broken::ForNow(_, why) => {
                    failures += u32::from(!gained);
                    why
                }
            };
            tracing::info!("{}: {why}; trying again at byte {}", shown(self.url), self.partial.length());
            if !self.watch.pause(pause) {
                return Err(Failure::Abandoned);
            }
            pause = (pause * 2).min(pace.longest_pause);
        }
    }

    /// One request, and all that comes of it.
    fn attempt(&mut self) -> Result<(), Broken> {
        let known = self.partial.origin().filter(|origin| origin.is_of(self.url));
        // Without a validator only the digest can tell whether both parts are of the same model.
        let known = known.filter(|origin| origin.validator.is_some() || self.wanted.digest.is_some());
        let offset = known.as_ref().map_or(0, |_| self.partial.length());
        let validator = known.and_then(|origin| origin.validator);
        let response = self.ask(offset, validator.as_deref())?;
        let (status, headers) = (response.status(), response.headers());
        let whole = match status {
            StatusCode::OK => {
                let total = response.body().content_length();
                let whole = self.whole(status, total, is_chunked(&response))?;
                let origin = Origin::new(self.url, validator_of(headers));
                // The part that this replaces gives its room back first.
                let missing = total.or(whole).unwrap_or_default().saturating_sub(self.partial.length());
                self.check_total(total, missing)?;
                self.partial.restart(&origin, self.wanted.digest.is_some())?;
                whole
            }
            StatusCode::PARTIAL_CONTENT if offset > 0 => {
                let same = validator.is_none() || validator_of(headers).is_none_or(|v| Some(v) == validator);
                let total = match content_range(headers) {
                    Some((first, total)) if first == offset && same => total,
                    Some(_) | None => {
                        return Err(self.start_over("the server sent another part than asked for"));
                    }
                };
                // A part says where it ends, which need not be where the model does.
                let whole = match self.whole(status, total, false) {
                    Ok(whole) => whole,
                    Err(fault) => {
                        // From its first byte on the server may say it.
                        self.partial.restart(&Origin::new(self.url, None), false)?;
                        return Err(fault.into());
                    }
                };
                self.check_total(total, total.unwrap_or_default().saturating_sub(offset))?;
                self.partial.resume(self.wanted.digest.is_some(), self.watch)?;
                whole
            }
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                if content_range_total(headers) == Some(offset) {
                    // Nothing was left to fetch but the word that it is all.
                    return Ok(self.partial.resume(self.wanted.digest.is_some(), self.watch)?);
                }
                return Err(self.start_over("the server has less than was fetched before"));
            }
            status => return Err(self.refused(status)),
        };
        self.receive(response, whole)
    }

    /// The length at which the model is whole; `None`: the end of the body or the digest shows that. Refuses
    /// what nothing would show of: a connection that is cut ends like one that is done.
    fn whole(
        &self,
        status: StatusCode,
        total: Option<u64>,
        shows_its_end: bool,
    ) -> Result<Option<u64>, Fault> {
        if total.is_some() || shows_its_end {
            return Ok(total);
        }
        if self.wanted.bytes.is_none() && self.wanted.digest.is_none() {
            let why = "the server does not say how long the model is, so a cut one would be taken for whole; write \
                       the pool's size_bytes or digest";
            return Err(self.fault(StageError::Fetch(status.as_u16()), why));
        }
        Ok(self.wanted.bytes)
    }

    fn ask(&self, offset: u64, validator: Option<&str>) -> Result<Response<Body>, Broken> {
        let mut request = self.agent.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        if let Some(token) = &self.wanted.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
            if let Some(validator) = validator {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        request.call().map_err(|error| self.unanswered(error))
    }

    fn receive(&mut self, response: Response<Body>, whole: Option<u64>) -> Result<(), Broken> {
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 256 * 1024];
        let most = self.wanted.bytes.unwrap_or(u64::MAX);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unanswered(error.into())),
            };
            self.partial.write(buffer.get(..read).unwrap_or_default())?;
            if self.partial.length() > most {
                // It ends no more as stated, so there is no reason to fetch the rest.
                break;
            }
            if !self.watch.moved() {
                return Err(Failure::Abandoned.into());
            }
        }
        match whole {
            Some(whole) if self.partial.length() < whole => {
                Err(Broken::ForNow(0, "the connection ended before the model did".into()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Before the first byte: is it what is stated, and is there room for it?
    fn check_total(&self, total: Option<u64>, missing: u64) -> Result<(), Fault> {
        if let (Some(total), Some(stated)) = (total, self.wanted.bytes)
            && total != stated
        {
            let why =
                format!("the server offers {total} bytes, not the {stated} that are stated; correct one");
            return Err(self.fault(StageError::BadSize, &why));
        }
        match &self.wanted.path {
            Some(target) => room_for(target, missing),
            None => Ok(()),
        }
    }

    /// After the last byte. What is wrong cannot be mended by going on, so nothing of it is kept.
    fn check(&self) -> Result<(), Fault> {
        let length = self.partial.length();
        let bad = match (self.wanted.bytes, self.wanted.digest) {
            (Some(stated), _) if stated != length => {
                let why =
                    format!("the server sent {length} bytes, not the {stated} that are stated; correct one");
                Some(self.fault(StageError::BadSize, &why))
            }
            (_, Some(stated)) if self.partial.digest() != Some(stated) => {
                let why = "what the server sent does not add up to the stated digest; correct one of them";
                Some(self.fault(StageError::BadDigest, why))
            }
            (_, _) => None,
        };
        match bad {
            Some(fault) => {
                self.partial.remove();
                Err(fault)
            }
            None => Ok(()),
        }
    }

    /// The next attempt asks for everything.
    fn start_over(&mut self, why: &str) -> Broken {
        match self.partial.restart(&Origin::new(self.url, None), self.wanted.digest.is_some()) {
            Ok(()) => Broken::ForNow(0, why.to_owned()),
            Err(fault) => fault.into(),
        }
    }

    fn refused(&self, status: StatusCode) -> Broken {
        let why = format!("the server answered {status}");
        let may_pass = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if may_pass {
            Broken::ForNow(status.as_u16(), why)
        } else {
            self.fault(StageError::Fetch(status.as_u16()), &why).into()
        }
    }

    /// No answer, or no more of it. Only words are taken from the error that cannot hold the address.
    fn unanswered(&self, error: ureq::Error) -> Broken {
        // A reader's error may hold one of the client's.
        let error = error.into_io().downcast::<ureq::Error>();
        let error = match error {
            Ok(error) => error,
            Err(error) => return Broken::ForNow(0, error.to_string()),
        };
        if matches!(error, ureq::Error::Timeout(_)) {
            return Broken::Silent(error.to_string());
        }
        if matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::TooManyRedirects) {
            let why = "it is no address that can be fetched; correct the model's URL or token";
            return self.fault(StageError::Fetch(0), why).into();
        }
        let may_be_shown = matches!(
            error,
            ureq::Error::HostNotFound
                | ureq::Error::ConnectionFailed
                | ureq::Error::Tls(_)
                | ureq::Error::Rustls(_)
                | ureq::Error::Protocol(_)
        );
        Broken::ForNow(0, if may_be_shown { error.to_string() } else { "the request failed".to_owned() })
    }

    fn fault(&self, error: StageError, why: &str) -> Fault {
        Fault { error, why: format!("{}: {why}", shown(self.url)) }
    }
}

/// An address without what may be a secret: user info and query.
fn shown(url: &str) -> String {
    let Ok(uri) = url.parse::<Uri>() else { return "the model's URL".to_owned() };
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    let scheme = uri.scheme_str().unwrap_or("http");
    format!("{scheme}://{}{port}{}", uri.host().unwrap_or_default(), uri.path())
}

/// Whether the body itself shows where it ends.
fn is_chunked(response: &Response<Body>) -> bool {
    // HTTP/1.0 has no chunks, whatever the header says.
    let coding = response.headers().get(header::TRANSFER_ENCODING).and_then(|value| value.to_str().ok());
    response.version() != Version::HTTP_10
        && coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
}

/// A strong ETag or else the time of change: only these may stand in `If-Range`.
fn validator_of(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(header::ETAG).filter(|etag| !etag.starts_with("W/")).or_else(|| text(header::LAST_MODIFIED))
}

/// `bytes 5-9/10`: the first byte and, unless it is `*`, the total.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    let (span, total) = range.split_once('/')?;
    let (first, _) = span.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

/// `bytes */10`: the total of a range that lies behind it.
fn content_range_total(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes */")?.trim().parse().ok()
}
