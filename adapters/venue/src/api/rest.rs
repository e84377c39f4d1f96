//! REST: a request in, status, headers and JSON out.

use crate::api::error::ApiError;
use crate::api::method::Method;
use crate::api::params::Params;
use crate::api::{Call, sign};
use crate::exchange::{Exchange, RestAnswer, RestCall};

impl Exchange {
    /// Answers a REST request.
    pub fn rest(&mut self, call: &RestCall<'_>, now_ns: u64) -> RestAnswer {
        let Some(method) = Method::of_rest(call.method, call.path) else {
            let path = call.path.escape_default();
            let message = format!("Path {path}, Method {} is invalid", call.method);
            return self.rest_answer(call, Err(ApiError::new(404, -5000, message)), None, now_ns);
        };
        let (answer, account) = match read_params(call) {
            Err(error) => (Err(error), None),
            Ok(params) => self.rest_limited(call, method, &params, now_ns),
        };
        let counted = account.filter(|_| method.counts_orders());
        self.rest_answer(call, answer, counted, now_ns)
    }

    /// The answer within the limits of the client, and whose it is.
    fn rest_limited(
        &mut self,
        call: &RestCall<'_>,
        method: Method,
        params: &Params,
        now_ns: u64,
    ) -> (Result<String, ApiError>, Option<usize>) {
        let weight = Self::weight(method, params);
        if let Err(error) = self.limits.admit(call.client, weight, now_ns) {
            return (Err(error), None);
        }
        let (answer, account) = self.rest_checked(call, method, params, now_ns);
        let charged = Self::charged(method, weight, answer.is_ok());
        self.limits.charge(call.client, charged, now_ns);
        (answer, account)
    }

    /// The answer, and whose it is.
    fn rest_checked(
        &mut self,
        call: &RestCall<'_>,
        method: Method,
        params: &Params,
        now_ns: u64,
    ) -> (Result<String, ApiError>, Option<usize>) {
        let account = if method.is_signed() {
            let body = String::from_utf8_lossy(call.body);
            let payload = sign::without_signature(call.query) + &sign::without_signature(&body);
            match self.authenticate(call.api_key, &payload, params, now_ns) {
                Ok(account) => Some(account),
                Err(error) => return (Err(error), None),
            }
        } else {
            None
        };
        let unit = call.time_unit;
        let call = Call { method, params, account, unit, now_ns };
        (self.perform(&call), account)
    }

    fn rest_answer(
        &self,
        call: &RestCall<'_>,
        answer: Result<String, ApiError>,
        counted: Option<usize>,
        now_ns: u64,
    ) -> RestAnswer {
        let used = self.limits.weight(call.client, now_ns);
        let mut headers = vec![
            ("Content-Type".to_string(), "application/json;charset=UTF-8".to_string()),
            ("X-MBX-USED-WEIGHT".to_string(), used.to_string()),
            ("X-MBX-USED-WEIGHT-1M".to_string(), used.to_string()),
        ];
        if let (Some(account), true) = (counted, answer.is_ok()) {
            let (short, long) = self.limits.orders(account, now_ns);
            headers.push(("X-MBX-ORDER-COUNT-10S".to_string(), short.to_string()));
            headers.push(("X-MBX-ORDER-COUNT-1D".to_string(), long.to_string()));
        }
        match answer {
            Ok(body) => RestAnswer { status: 200, headers, body },
            Err(error) => {
                if let Some(after_ns) = error.retry_after_ns {
                    let seconds = after_ns.div_ceil(1_000_000_000);
                    headers.push(("Retry-After".to_string(), seconds.to_string()));
                }
                RestAnswer { status: error.status, headers, body: error.json() }
            }
        }
    }
}

fn read_params(call: &RestCall<'_>) -> Result<Params, ApiError> {
    let illegal = |_| ApiError::bad(-1100, "Illegal characters found in a parameter.");
    let body = std::str::from_utf8(call.body).map_err(illegal)?;
    Params::of_rest(call.query, body)
}
