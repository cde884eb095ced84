//! Batches that arrive while another is being written wait in line, and are then stored together: phones that come back to signal
//! at the same hour share look-ups and one commit, and each is answered after it.

use super::batch::{Delivery, store};
use super::operation::Answer;
use crate::db::Db;
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// So many batches share a commit at most: the first must not wait long for its answer.
const MOST: usize = 16;

type Reply = oneshot::Sender<Result<Answer>>;

#[derive(Clone, Default)]
pub struct Line(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: Vec<(Delivery, Reply)>,
    /// Somebody stores what waits until nothing does.
    served: bool,
}

impl Line {
    /// Stores one batch, alone or with those that wait; answers after the commit.
    pub async fn join(&self, db: &Db, delivery: Delivery) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        if self.wait((delivery, reply)) {
            let (line, db, runtime) = (self.clone(), db.clone(), Handle::current());
            // A thread of its own: a phone that hangs up must not undo what others wait for, and bodies being read must not delay it.
            tokio::task::spawn_blocking(move || runtime.block_on(line.serve(&db)));
        }
        answer.await.map_err(|_| Error::internal("a batch was dropped before its commit"))?
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nobody serves the line: whoever asked must.
    fn wait(&self, asked: (Delivery, Reply)) -> bool {
        let mut queue = self.queue();
        queue.waiting.push(asked);
        !std::mem::replace(&mut queue.served, true)
    }

    /// The next batches; with none left the line is free again.
    fn next(&self) -> Vec<(Delivery, Reply)> {
        let mut queue = self.queue();
        queue.served = !queue.waiting.is_empty();
        let most = queue.waiting.len().min(MOST);
        queue.waiting.drain(..most).collect()
    }

    async fn serve(&self, db: &Db) {
        let _freed = Freed(self);
        loop {
            let (deliveries, mut replies): (Vec<Delivery>, Vec<Reply>) = self.next().into_iter().unzip();
            if deliveries.is_empty() {
                return;
            }
            // Who asked may have hung up by now; what was stored stays stored.
            match store(db, &deliveries).await {
                Ok(answers) => replies.into_iter().zip(answers).for_each(|(reply, answer)| drop(reply.send(Ok(answer)))),
                Err(error) if replies.len() == 1 => drop(replies.pop().map(|reply| reply.send(Err(error)))),
                // Nothing was kept. Each for itself, so that nobody is refused for another's fault.
                Err(_) => {
                    for (delivery, reply) in deliveries.iter().zip(replies) {
                        let answer = store(db, std::slice::from_ref(delivery)).await.and_then(|mut answers| answers.pop().ok_or_else(none));
                        drop(reply.send(answer));
                    }
                }
            }
        }
    }
}

/// After a panic too the next batch finds the line free; those that waited are told to come again.
struct Freed<'a>(&'a Line);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.queue() = Queue::default();
        }
    }
}

/// Every delivery has an answer; said as an error rather than believed.
pub fn none() -> Error {
    Error::internal("a stored batch has no answer")
}
