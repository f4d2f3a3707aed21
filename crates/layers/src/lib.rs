//! Repository decorators, in one fixed order.
//!
//! [`Layers`] takes the parts in any order and stacks them in the only order
//! that is right, outermost first:
//!
//! | layer | what it does | why it stands there |
//! |---|---|---|
//! | metrics | latency and outcome of each operation | sees what the caller sees, repeats included |
//! | retry | repeats temporary failures, resumes streams | each repeat takes its own permit and its own time |
//! | limit | permits, bytes per second | waiting here never counts as a slow store |
//! | timeout | bounds one attempt | a stalled attempt gives its permit back |
//! | checksum | refuses answers that do not fit the request | what it refuses as cut off is resumed by retry |
//! | count | calls and bytes of each attempt | counts what the store really gets |
//! | fault | scripted failures, for tests and documentation | is the store, as far as the others can tell |
//!
//! Every layer implements [`Repository`](rockhold_core::Repository) and keeps
//! its whole contract. The layers themselves are private: a stack in another
//! order cannot be written.

mod around;
mod checksum;
mod count;
mod fault;
mod limit;
mod metrics;
mod open;
mod operation;
mod plan;
mod properties;
mod resume;
mod retry;
mod stack;
mod timeout;
mod waiting;

pub use count::{Count, Counters, Counts};
pub use limit::{Limiter, Limits};
pub use metrics::{Metrics, OperationMetrics};
pub use open::open;
pub use operation::Operation;
pub use plan::{Failure, Fault, FaultPlan, Moment, Passage, Passed, Scope};
pub use retry::RetryPolicy;
pub use stack::Layers;
pub use timeout::Timeouts;
