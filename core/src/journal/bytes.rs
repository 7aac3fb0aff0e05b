//! Bytes of a payload: how values are appended and taken off again. Numbers are varints (LEB128), the
//! same on every platform. Called by the journal's other files only.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends a value in postcard's form.
pub(super) fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let done = postcard::serialize_with_flavor(value, Append(out));
    // Appending cannot fail, and none of our types refuses to be written.
    debug_assert!(done.is_ok(), "J01: a value could not be encoded: {done:?}");
}

/// Appends a number as a varint.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    put(out, &number);
}

/// Appends the way from one number to another: short when they are near, whichever is larger.
pub(super) fn put_step(out: &mut Vec<u8>, from: u64, to: u64) {
    let step = to.wrapping_sub(from).cast_signed();
    put(out, &step);
}

/// What is left of a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

/// The bytes do not say what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl<'a> Cursor<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take<T: DeserializeOwned>(&mut self) -> Result<T, Malformed> {
        let (value, rest) = postcard::take_from_bytes(self.rest).map_err(|_| Malformed)?;
        self.rest = rest;
        Ok(value)
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        self.take()
    }

    /// The number that [`put_step`] wrote.
    pub(super) fn step(&mut self, from: u64) -> Result<u64, Malformed> {
        Ok(from.wrapping_add(self.take::<i64>()?.cast_unsigned()))
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (fixed, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*fixed)
    }

    /// The last value of a payload: nothing may follow it.
    pub(super) fn last<T: DeserializeOwned>(mut self) -> Result<T, Malformed> {
        let value = self.take()?;
        if self.is_empty() { Ok(value) } else { Err(Malformed) }
    }
}

struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_reads_back_whatever_the_two_numbers() {
        for (from, to, most) in [(5, 5, 1), (100, 40, 1), (0, u64::MAX, 1), (7, 1 << 40, 6), (u64::MAX, 0, 1)]
        {
            let mut out = Vec::new();
            put_step(&mut out, from, to);
            assert!(out.len() <= most, "{from} to {to}: {} bytes", out.len());
            assert_eq!(Cursor::new(&out).step(from), Ok(to));
        }
    }

    #[test]
    fn nothing_may_follow_the_last_value() {
        assert_eq!(Cursor::new(&[7]).last::<u64>(), Ok(7));
        assert_eq!(Cursor::new(&[7, 0]).last::<u64>(), Err(Malformed));
        assert_eq!(Cursor::new(&[]).last::<u64>(), Err(Malformed));
    }
}
