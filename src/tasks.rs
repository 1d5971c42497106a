//! What runs beside requests: named, joined, told to stop.
