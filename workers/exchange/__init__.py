"""Reading and handing over files by signed addresses, for workers that do not share the desktop's folders."""
