//! Money in tiyn, 1/100 of a tenge, as an integer. Kaspi's amounts are converted once, where they are parsed; no float is used.

use std::fmt;

/// An amount in tiyn (1/100 ₸).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Money(i64);

/// A number that is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an amount of money")]
pub struct NotMoney(String);

impl Money {
    /// From tiyn.
    pub const fn from_tiyn(tiyn: i64) -> Self {
        Self(tiyn)
    }

    /// From whole tenge; saturates far beyond any order.
    pub const fn from_tenge(tenge: i64) -> Self {
        Self(tenge.saturating_mul(100))
    }

    /// The amount in tiyn.
    pub const fn tiyn(self) -> i64 {
        self.0
    }

    /// Parses the text of a JSON number such as `4000.0`, `96045` or `1.5e3` (KASPI_API §2,
    /// `totalPrice`). A part of a tiyn is rounded half away from zero.
    pub fn parse(text: &str) -> Result<Self, NotMoney> {
        let refuse = || NotMoney(text.to_owned());
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => {
                (mantissa, exponent.parse::<i32>().map_err(|_| refuse())?)
            }
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
        {
            return Err(refuse());
        }
        let joined: i128 = format!("{whole}{fraction}").parse().map_err(|_| refuse())?;
        let scale = exponent
            .checked_sub(i32::try_from(fraction.len()).map_err(|_| refuse())?)
            .and_then(|scale| scale.checked_add(2))
            .ok_or_else(refuse)?;
        let tiyn = shift(joined, scale).ok_or_else(refuse)?;
        let tiyn = i64::try_from(tiyn).map_err(|_| refuse())?;
        Ok(Self(if negative { -tiyn } else { tiyn }))
    }
}

/// `value × 10^scale`, rounded half up when the scale is negative.
fn shift(value: i128, scale: i32) -> Option<i128> {
    let power = 10_i128.checked_pow(scale.unsigned_abs());
    if value == 0 {
        return Some(0);
    }
    if scale >= 0 {
        return value.checked_mul(power?);
    }
    // Beyond 10^38 every value is below half of the power.
    Some(power.map_or(0, |power| {
        value / power + i128::from(value % power >= power / 2)
    }))
}

impl fmt::Display for Money {
    /// `12 990 ₸`, with tiyn only where there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenge = (self.0 / 100).unsigned_abs().to_string();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        for (index, digit) in tenge.chars().enumerate() {
            if index > 0 && (tenge.len() - index).is_multiple_of(3) {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        match (self.0 % 100).unsigned_abs() {
            0 => f.write_str(" ₸"),
            tiyn => write!(f, ",{tiyn:02} ₸"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_number_form_the_wire_uses() {
        for (text, tiyn) in [
            ("4000.0", 400_000),
            ("96045", 9_604_500),
            ("25980.55", 2_598_055),
            ("0", 0),
            ("1.5e3", 150_000),
            ("-12.3", -1_230),
            ("0.005", 1),
            ("1e-9", 0),
            ("0e99", 0),
            ("170141183460469231731687303715884105727e-40", 2),
            ("170141183460469231731687303715884105727e-41", 0),
        ] {
            assert_eq!(Money::parse(text).unwrap().tiyn(), tiyn, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", "-", ".5", "1,5", "NaN", "1e99", "99999999999999999999"] {
            assert!(Money::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_as_people_write_it() {
        assert_eq!(Money::from_tenge(1_234_567).to_string(), "1 234 567 ₸");
        assert_eq!(Money::from_tiyn(-99_905).to_string(), "-999,05 ₸");
    }
}
