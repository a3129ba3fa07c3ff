import{d as m,f as o,g as r,h as n}from"./shared-STIFVTFS.js";function e(){return r(m,{children:[r(n,{}),r("main",{})]})}o(r(e,{}),document.getElementById("page"));
