//! The one table of errors: every row, and what no row knows.

use super::*;

#[track_caller]
fn check(table: &[(u16, i64, &str, Verdict)]) {
    for (status, code, message, verdict) in table {
        assert_eq!(judge(*status, *code, message), *verdict, "{status} {code} {message}");
    }
}

#[test]
fn every_code_of_the_documents_has_its_verdict() {
    use Reason::*;
    use Retry::*;
    use Verdict::{Final, Transient, Unknown};
    check(&[
        (400, -1000, "An unknown error occurred while processing the request.", Unknown),
        (400, -1001, "Internal error; unable to process your request.", Unknown),
        (401, -1002, "You are not authorized to execute this request.", Final(Authorization)),
        (429, -1003, "Too many requests queued.", Transient(RateLimit)),
        (418, -1003, "Way too much request weight used; IP banned until 1.", Transient(RateLimit)),
        (400, -1006, "An unexpected response was received from the message bus.", Unknown),
        (400, -1007, "Timeout waiting for response from backend server.", Unknown),
        (400, -1008, "Server is currently overloaded with other requests.", Transient(Overloaded)),
        (503, -1008, "Server is currently overloaded with other requests.", Unknown),
        (400, -1010, "Account has insufficient balance for requested action.", Final(Balance)),
        (400, -1010, "Unknown order sent.", Final(NoSuchOrder)),
        (400, -1013, "Filter failure: PRICE_FILTER", Final(Filter)),
        (400, -1013, "Filter failure: MAX_POSITION", Final(Filter)),
        (
            429,
            -1015,
            "Too many new orders; current limit is 50 orders per 10 s.",
            Transient(RateLimit),
        ),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", Transient(Clock)),
        (400, -1021, "Timestamp for this request was 1000ms ahead of", Transient(Clock)),
        (400, -1022, "Signature for this request is not valid.", Final(Authorization)),
        (400, -1100, "Illegal characters found in parameter", Final(Parameter)),
        (400, -1102, "Mandatory parameter 'x' was not sent", Final(Parameter)),
        (400, -1106, "Parameter 'x' sent when not required.", Final(Parameter)),
        (400, -1111, "Parameter 'price' has too much precision.", Final(Parameter)),
        (400, -1115, "Invalid timeInForce.", Final(Parameter)),
        (400, -1116, "Invalid orderType.", Final(Parameter)),
        (400, -1117, "Invalid side.", Final(Parameter)),
        (400, -1121, "Invalid symbol.", Final(Parameter)),
        (400, -1128, "Combination of optional parameters invalid.", Final(Parameter)),
        (400, -1130, "Data sent for parameter 'x' is not valid.", Final(Parameter)),
        (400, -1145, "Invalid cancelRestrictions", Final(Parameter)),
        (400, -2010, "Duplicate order sent.", Final(Duplicate)),
        (400, -2010, "Market is closed.", Final(Closed)),
        (400, -2010, "Account has insufficient balance for requested action.", Final(Balance)),
        (400, -2010, "Order would trigger immediately.", Final(WouldTake)),
        (400, -2010, "Order would immediately match and take.", Final(WouldTake)),
        (400, -2010, "This action is disabled on this account.", Final(Closed)),
        (400, -2010, "Price * QTY is zero or less.", Final(Other)),
        (400, -2011, "Unknown order sent.", Final(NoSuchOrder)),
        (400, -2011, "Order was not canceled due to cancel restrictions.", Final(Restricted)),
        (400, -2011, "Cancel order is invalid. Check origClOrdId and orderId.", Final(Other)),
        (400, -2013, "Order does not exist.", Final(NoSuchOrder)),
        (401, -2014, "API-key format invalid.", Final(Authorization)),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", Final(Authorization)),
        (409, -2021, "Order cancel-replace partially failed.", Final(ReplaceHalf)),
        (400, -2022, "Order cancel-replace failed.", Final(ReplaceNone)),
        (400, -2026, "Order was canceled or expired with no executed qty", Final(NoSuchOrder)),
        (400, -2035, "Subscription already active", Final(Other)),
        (400, -2036, "Subscription not active", Final(Other)),
        (400, -2038, "Order amend request has failed.", Final(Other)),
        (400, -2039, "Client order ID is not correct for this order ID.", Final(NoSuchOrder)),
        (400, -2042, "Subscription limit", Final(Other)),
    ]);
}

#[test]
fn what_no_row_knows_goes_by_its_status() {
    check(&[
        (400, -7777, "new", Verdict::Final(Reason::Other)),
        (403, 0, "<html>", Verdict::Final(Reason::Authorization)),
        (418, 0, "", Verdict::Transient(Retry::RateLimit)),
        (429, 0, "", Verdict::Transient(Retry::RateLimit)),
        (500, -2010, "Duplicate order sent.", Verdict::Unknown),
        (502, 0, "<html>", Verdict::Unknown),
        (200, 0, "garbage", Verdict::Unknown),
        (0, 0, "", Verdict::Unknown),
    ]);
    assert_eq!(venue_code(-2010), 2010);
    assert_eq!(venue_code(i64::MIN), u32::MAX);
}
