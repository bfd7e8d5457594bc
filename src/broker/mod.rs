//! placeholder
#[derive(Debug, thiserror::Error)]
#[error("no broker")]
pub struct BrokerError;
impl BrokerError {
    pub fn hint(&self) -> Option<String> {
        None
    }
}
