//! A signalling server for rooms on the Object RTC API.
