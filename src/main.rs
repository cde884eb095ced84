//! The command line. Exit 0: done. Exit 1: the input or the state refuses it, one line a problem on stderr. Exit 2: wrong usage.

fn main() {
    println!("{}", vecino::account::access::TABLE.len());
}
