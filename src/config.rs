//! The file as written (`File`) and the configuration as used (`Config`).
