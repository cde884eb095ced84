//! The pages and files a mayor sees.
