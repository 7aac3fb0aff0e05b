//! Cuts a log into lines as it is read, and classifies them. Used by the evidence executor after an end and by the live
//! follower before it; the text goes no further.
//!
//! Only the beginning of a line is kept, however long the line is: a line of 10 MB, or garbage without any line end,
//! costs no memory.

use pool_manager_core::LogEvidence;

use crate::executor::log_class;

/// A place in a log.
#[derive(Debug)]
pub(super) struct LogLines {
    /// Where the line that is being read begins.
    offset: u64,
    /// The first bytes of what was read of it.
    beginning: Vec<u8>,
    /// How much was read of it.
    length: u64,
    /// The reading began within a line, whose rest means nothing.
    mid_line: bool,
}

impl LogLines {
    /// Begins at this offset; `mid_line`: which is not the beginning of a line.
    pub(super) const fn at(offset: u64, mid_line: bool) -> Self {
        Self { offset, beginning: Vec::new(), length: 0, mid_line }
    }

    /// Where the next byte to be taken is.
    pub(super) const fn position(&self) -> u64 {
        self.offset + self.length
    }

    /// Takes what was read there, and hands on each line that says something.
    pub(super) fn take(&mut self, read: &[u8], found: &mut dyn FnMut(LogEvidence)) {
        for part in read.split_inclusive(|byte| *byte == b'\n') {
            let room = log_class::MOST_BYTES.saturating_sub(self.beginning.len());
            self.beginning.extend(part.iter().take(room));
            self.length += part.len() as u64;
            if part.ends_with(b"\n") {
                self.end(found);
            }
        }
    }

    /// The line is over: by its end, or because nobody is left to write it.
    pub(super) fn end(&mut self, found: &mut dyn FnMut(LogEvidence)) {
        let text = self.beginning.trim_ascii_end();
        if !self.mid_line
            && let Some(class) = log_class::classify(text)
        {
            found(LogEvidence { class, offset: self.offset });
        }
        self.mid_line = false;
        self.offset += self.length;
        self.length = 0;
        self.beginning.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_manager_core::LogClass;

    fn lines_of(parts: &[&[u8]]) -> (LogLines, Vec<LogEvidence>) {
        let (mut lines, mut found) = (LogLines::at(0, false), Vec::new());
        for part in parts {
            lines.take(part, &mut |line| found.push(line));
        }
        (lines, found)
    }

    #[test]
    fn a_line_counts_when_it_is_whole_wherever_it_was_cut() {
        let text = b"hello\nCUDA error: unspecified launch failure\n";
        for cut in 0..=text.len() {
            let (before, after) = text.split_at(cut);
            let (lines, found) = lines_of(&[before, after]);
            assert_eq!(found, [LogEvidence { class: LogClass::CudaError, offset: 6 }], "cut at {cut}");
            assert_eq!(lines.position(), text.len() as u64);
        }
        let (mut lines, mut found) = lines_of(&[b"CUDA error: unspecified"]);
        assert!(found.is_empty(), "it may still change");
        lines.end(&mut |line| found.push(line));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_line_without_an_end_costs_no_memory_and_the_next_one_counts() {
        let garbage = vec![0xff; 1 << 20];
        let parts: Vec<&[u8]> = std::iter::repeat_n(garbage.as_slice(), 10).collect();
        let (mut lines, mut found) = lines_of(&parts);
        assert!(lines.beginning.capacity() <= 2 * log_class::MOST_BYTES, "{}", lines.beginning.capacity());
        lines.take(b"CUDA error: glued to it\nCUDA out of memory.\n", &mut |line| found.push(line));
        let offset = (10 << 20) + 24;
        assert_eq!(found, [LogEvidence { class: LogClass::GpuOutOfMemory, offset }]);
    }

    #[test]
    fn the_rest_of_a_line_means_nothing() {
        let (mut lines, mut found) = (LogLines::at(100, true), Vec::new());
        lines.take(b"CUDA out of memory.\nCUDA out of memory.\n", &mut |line| found.push(line));
        assert_eq!(found, [LogEvidence { class: LogClass::GpuOutOfMemory, offset: 120 }]);
    }
}
