//! A full terminal screen. Being written.
