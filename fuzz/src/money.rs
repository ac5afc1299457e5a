//! Amounts.

use qabyl::domain::money::Money;

/// Compares a parsed amount with its value as a float and with its printed form.
pub fn money(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let read = Money::parse(text);
    assert_eq!(read, Money::parse(text));
    let Ok(money) = read else {
        return;
    };
    let shown = money.to_string();
    let plain = shown
        .strip_suffix(" ₸")
        .expect("tenge")
        .replace(' ', "")
        .replace(',', ".");
    assert_eq!(Money::parse(&plain), Ok(money), "{text} shown as {shown}");
    let stored = serde_json::to_string(&money).expect("money is stored");
    assert_eq!(serde_json::from_str::<Money>(&stored).ok(), Some(money));
    if let Some(positive) = text.strip_prefix('-') {
        let mirrored = Money::parse(positive).map(Money::tiyn);
        assert_eq!(mirrored, Ok(-money.tiyn()), "{text}");
    }
    near(text, money);
}

/// Within half a tiyn of the float, plus the precision of a float.
#[expect(
    clippy::cast_precision_loss,
    reason = "the tolerance grows with the amount"
)]
fn near(text: &str, money: Money) {
    let wanted = text.parse::<f64>().expect("money is a number") * 100.0;
    let off = (money.tiyn() as f64 - wanted).abs();
    assert!(
        off <= 0.5 + wanted.abs() * 1e-12 + 1e-6,
        "{text} is read as {} tiyn",
        money.tiyn()
    );
}
