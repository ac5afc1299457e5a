//! Cron schedules. No other file knows the crate that reads and runs them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

/// A schedule cannot be read, or the scheduler failed.
#[derive(Debug, thiserror::Error)]
#[error("cron: {0}")]
pub struct CronError(#[from] JobSchedulerError);

/// Whether this is a schedule: six fields, seconds first.
pub fn is_schedule(text: &str) -> bool {
    Job::new(text, |_, _| {}).is_ok()
}

/// Number of times of a schedule that are looked at.
const LOOKED_AT: usize = 20;

/// The shortest time between two of a schedule's next times; `None` where there are not two.
pub fn shortest_gap(schedule: &str) -> Option<Duration> {
    let mut job = Job::new(schedule, |_, _| {}).ok()?;
    let data = job.job_data().ok()?;
    let (times, mut at) = (data.schedule()?, data.next_tick_utc()?);
    let mut shortest: Option<Duration> = None;
    for _ in 0..LOOKED_AT {
        let Ok(next) = times.find_next_occurrence(&at, false) else {
            break;
        };
        let gap = next.signed_duration_since(at).to_std().ok()?;
        shortest = Some(shortest.map_or(gap, |shortest| shortest.min(gap)));
        at = next;
    }
    shortest
}

type Call = Box<dyn Fn() + Send + Sync>;

/// What is called when. Calls of one schedule share a job.
#[derive(Default)]
pub struct Cron {
    calls: BTreeMap<String, Vec<Call>>,
}

impl Cron {
    /// Adds a call that returns at once.
    pub fn at(&mut self, schedule: &str, call: impl Fn() + Send + Sync + 'static) {
        let calls = self.calls.entry(schedule.to_owned()).or_default();
        calls.push(Box::new(call));
    }

    /// Begins to call.
    ///
    /// # Errors
    /// A schedule cannot be read.
    pub async fn start(self) -> Result<RunningCron, CronError> {
        let scheduler = JobScheduler::new().await?;
        for (schedule, calls) in self.calls {
            let call_all = move || calls.iter().for_each(|call| call());
            let job = Job::new(schedule.as_str(), move |_, _| call_all())?;
            scheduler.add(job).await?;
        }
        scheduler.start().await?;
        Ok(RunningCron(scheduler))
    }
}

/// Calls at their times until it is ended.
pub struct RunningCron(JobScheduler);

impl RunningCron {
    /// Ends all calls.
    ///
    /// # Errors
    /// The scheduler failed.
    pub async fn end(mut self) -> Result<(), CronError> {
        Ok(self.0.shutdown().await?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::time::Duration;

    use super::{Cron, is_schedule, shortest_gap};

    #[test]
    fn seconds_come_first() {
        assert!(is_schedule("*/15 * * * * *"));
        assert!(!is_schedule("61 * * * * *") && !is_schedule("soon"));
    }

    #[test]
    fn the_shortest_gap_of_a_schedule_is_found() {
        let gap = |schedule| shortest_gap(schedule).map(|gap| gap.as_secs());
        assert_eq!(gap("*/15 * * * * *"), Some(15));
        assert_eq!(gap("0,5 * * * * *"), Some(5));
        assert_eq!(gap("0 0 9,18 * * *"), Some(9 * 3600));
        assert_eq!(gap("soon"), None);
    }

    #[tokio::test]
    async fn calls_of_one_schedule_share_a_job_and_are_all_made() {
        let mut cron = Cron::default();
        let made = Arc::new([AtomicU8::new(0), AtomicU8::new(0)]);
        for place in 0..2 {
            let made = Arc::clone(&made);
            cron.at("* * * * * *", move || {
                made[place].fetch_add(1, Ordering::Relaxed);
            });
        }
        assert_eq!(cron.calls.len(), 1);
        let running = cron.start().await.unwrap();
        let all = || made.iter().all(|of| of.load(Ordering::Relaxed) > 0);
        for _ in 0..500 {
            if all() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(all());
        running.end().await.unwrap();
    }
}
