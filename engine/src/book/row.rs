//! One line of text that pins down a book: best levels, level counts and a CRC-32 of the top.
//!
//! The columns are those of the reference files that an independent program computes from the same
//! captures, so that any two rebuilds of a book can be compared with `diff`.

use std::fmt::Write as _;

use super::Book;
use crate::event::Side;
use crate::money::write_scaled;

/// Names of the columns of [`book_row`].
pub const BOOK_ROW_HEADER: &str =
    "n_applied,local_ts,last_u,bid_px,bid_qty,ask_px,ask_qty,bid_levels,ask_levels,crc32_top20";
/// Levels of each side that the checksum covers.
const TOP_LEVEL_COUNT: usize = 20;

/// What a row says besides the book itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookRowContext {
    /// Depth updates applied so far.
    pub applied_count: u64,
    /// Receive time of the last one, ns since the Unix epoch.
    pub receive_ns: u64,
    /// Its final update id.
    pub update_id: i64,
    /// Decimal places of prices.
    pub price_scale: u8,
    /// Decimal places of quantities.
    pub quantity_scale: u8,
}

/// The row of a book, without a line end. A side that is empty has empty price and quantity.
pub fn book_row(book: &impl Book, context: &BookRowContext) -> String {
    let mut row = format!("{},{},{}", context.applied_count, context.receive_ns, context.update_id);
    for side in [Side::Buy, Side::Sell] {
        row.push(',');
        if let Some(level) = book.best(side) {
            push_scaled(&mut row, level.price, context.price_scale);
            row.push(',');
            push_scaled(&mut row, level.quantity, context.quantity_scale);
        } else {
            row.push(',');
        }
    }
    let (bids, asks) = (book.level_count(Side::Buy), book.level_count(Side::Sell));
    let crc = book_row_crc(book, context);
    write!(row, ",{bids},{asks},{crc}").expect("writing to a string cannot fail");
    row
}

/// CRC-32 (zlib) of `price:quantity;` for the 20 best bids, then the 20 best asks.
pub fn book_row_crc(book: &impl Book, context: &BookRowContext) -> u32 {
    let mut text = String::new();
    for side in [Side::Buy, Side::Sell] {
        let mut left = TOP_LEVEL_COUNT;
        book.visit(side, &mut |level| {
            push_scaled(&mut text, level.price, context.price_scale);
            text.push(':');
            push_scaled(&mut text, level.quantity, context.quantity_scale);
            text.push(';');
            left -= 1;
            0 < left
        });
    }
    crc32(text.as_bytes())
}

fn push_scaled(row: &mut String, value: i64, scale: u8) {
    write_scaled(row, i128::from(value), scale).expect("writing to a string cannot fail");
}

/// CRC-32 as in zlib (reflected, polynomial 0xEDB88320). Bit by bit: rows are for tools and tests.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::super::NaiveBook;
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_row_tells_best_levels_counts_and_checksum() {
        let mut book = NaiveBook::new();
        let context = BookRowContext {
            applied_count: 100,
            receive_ns: 7,
            update_id: 9,
            price_scale: 2,
            quantity_scale: 5,
        };
        assert_eq!(book_row(&book, &context), "100,7,9,,,,,0,0,0");
        book.set(Side::Buy, 6_182_400, 446_356).unwrap();
        book.set(Side::Sell, 6_182_401, 37_413).unwrap();
        let crc = crc32(b"61824:4.46356;61824.01:0.37413;");
        let want = format!("100,7,9,61824,4.46356,61824.01,0.37413,1,1,{crc}");
        assert_eq!(book_row(&book, &context), want);
    }
}
